//! The workstation's files: a small tree of names, part of the world like everything else.
//!
//! Paths that do not begin with `/` are below [`HOME`], where every shell stays. Bounded in names and bytes; past the
//! bound it answers as a full disk does. Simplified: no owners, no modes, no links, no times, and a write is durable at
//! once.

use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Where shells start, and stay.
pub const HOME: &str = "/home/learner";

/// All files together: a snapshot or two of a store that a lab can hold.
const BYTES_MAX: usize = 512 << 20;

const NAMES_MAX: usize = 4_096;

/// As Linux has it.
const PATH_BYTES_MAX: usize = 4_096;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Files {
    /// By absolute path, `/` for the root. Every node's parent is there and is a directory.
    nodes: Arc<BTreeMap<String, Node>>,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Directory,
    File(Bytes),
}

/// Why a file could not be used: C's texts, which Go writes with a small letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileError {
    NotFound,
    IsDirectory,
    NotDirectory,
    Exists,
    NotEmpty,
    NameTooLong,
    NoSpace,
    /// A directory cannot be moved into itself.
    Invalid,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileError::NotFound => "No such file or directory",
            FileError::IsDirectory => "Is a directory",
            FileError::NotDirectory => "Not a directory",
            FileError::Exists => "File exists",
            FileError::NotEmpty => "Directory not empty",
            FileError::NameTooLong => "File name too long",
            FileError::NoSpace => "No space left on device",
            FileError::Invalid => "Invalid argument",
        })
    }
}

impl FileError {
    /// As a Go program prints it.
    pub fn in_go(self) -> String {
        self.to_string().to_lowercase()
    }
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listed {
    pub name: String,
    pub is_directory: bool,
    pub bytes: usize,
}

impl Default for Files {
    fn default() -> Files {
        let mut nodes = BTreeMap::new();
        for path in ["/", "/tmp", "/home", HOME] {
            nodes.insert(path.to_owned(), Node::Directory);
        }
        Files { nodes: Arc::new(nodes), bytes: 0 }
    }
}

/// The absolute path without `.`, `..` and doubled slashes.
pub fn absolute(path: &str) -> String {
    let path = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{HOME}{rest}"),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{HOME}/{path}"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The last part of a path.
pub fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

impl Files {
    pub fn read(&self, path: &str) -> Result<Bytes, FileError> {
        match self.nodes.get(&absolute(path)) {
            Some(Node::File(content)) => Ok(content.clone()),
            Some(Node::Directory) => Err(FileError::IsDirectory),
            None => Err(FileError::NotFound),
        }
    }

    pub fn exists(&self, path: &str) -> bool {
        self.nodes.contains_key(&absolute(path))
    }

    pub fn is_directory(&self, path: &str) -> bool {
        self.nodes.get(&absolute(path)) == Some(&Node::Directory)
    }

    /// What lies in a directory, by name; for a file, the file.
    pub fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        let path_absolute = absolute(path);
        let listed = |name: &str, node: &Node| Listed {
            name: name.to_owned(),
            is_directory: *node == Node::Directory,
            bytes: if let Node::File(content) = node { content.len() } else { 0 },
        };
        match self.nodes.get(&path_absolute) {
            None => Err(FileError::NotFound),
            Some(node @ Node::File(_)) => Ok(vec![listed(path, node)]),
            Some(Node::Directory) => {
                let below = self.below(&path_absolute);
                let own = below.filter_map(|(name, node)| {
                    let name = &name[if path_absolute == "/" { 1 } else { path_absolute.len() + 1 }..];
                    (!name.is_empty() && !name.contains('/')).then(|| listed(name, node))
                });
                Ok(own.collect())
            }
        }
    }

    /// Everything inside a directory, at any depth.
    fn below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = (&'a String, &'a Node)> {
        let prefix = if directory == "/" { "/".to_owned() } else { format!("{directory}/") };
        let from = prefix.clone();
        self.nodes.range(from..).take_while(move |(name, _)| name.starts_with(&prefix))
    }

    /// Puts a file there, or other content into it.
    pub fn write(&mut self, path: &str, content: Bytes) -> Result<(), FileError> {
        let path = self.writable(path)?;
        let old = if let Some(Node::File(old)) = self.nodes.get(&path) { old.len() } else { 0 };
        let bytes = self.bytes - old + content.len();
        if bytes > BYTES_MAX {
            return Err(FileError::NoSpace);
        }
        self.bytes = bytes;
        self.insert(path, Node::File(content))
    }

    /// Adds to the end of a file, which is made if it is not there.
    pub fn append(&mut self, path: &str, more: &[u8]) -> Result<(), FileError> {
        let path = self.writable(path)?;
        if self.bytes + more.len() > BYTES_MAX {
            return Err(FileError::NoSpace);
        }
        self.bytes += more.len();
        let Some(Node::File(content)) = Arc::make_mut(&mut self.nodes).get_mut(&path) else {
            return self.insert(path, Node::File(Bytes::copy_from_slice(more)));
        };
        // In place unless a checkpoint of the world shares it.
        let mut whole = std::mem::take(content).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        whole.extend_from_slice(more);
        *content = whole.freeze();
        Ok(())
    }

    /// The absolute path, if a file may stand there.
    fn writable(&self, path: &str) -> Result<String, FileError> {
        let path = absolute(path);
        match self.nodes.get(&path) {
            Some(Node::Directory) => return Err(FileError::IsDirectory),
            Some(Node::File(_)) => return Ok(path),
            None => {}
        }
        self.room_for(&path)?;
        Ok(path)
    }

    /// Whether a new name may be put there.
    fn room_for(&self, path: &str) -> Result<(), FileError> {
        match self.nodes.get(parent(path)) {
            None => Err(FileError::NotFound),
            Some(Node::File(_)) => Err(FileError::NotDirectory),
            Some(Node::Directory) if path.len() > PATH_BYTES_MAX => Err(FileError::NameTooLong),
            Some(Node::Directory) if self.nodes.len() >= NAMES_MAX => Err(FileError::NoSpace),
            Some(Node::Directory) => Ok(()),
        }
    }

    fn insert(&mut self, path: String, node: Node) -> Result<(), FileError> {
        Arc::make_mut(&mut self.nodes).insert(path, node);
        Ok(())
    }

    pub fn make_directory(&mut self, path: &str) -> Result<(), FileError> {
        let path = absolute(path);
        if self.nodes.contains_key(&path) {
            return Err(FileError::Exists);
        }
        self.room_for(&path)?;
        self.insert(path, Node::Directory)
    }

    /// `mkdir -p`
    pub fn make_directories(&mut self, path: &str) -> Result<(), FileError> {
        let path = absolute(path);
        let ends = path.char_indices().skip(1).filter(|(_, c)| *c == '/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            match self.nodes.get(&path[..end]) {
                Some(Node::Directory) => {}
                Some(Node::File(_)) => return Err(FileError::NotDirectory),
                None => {
                    self.room_for(&path[..end])?;
                    self.insert(path[..end].to_owned(), Node::Directory)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a file, or an empty directory.
    pub fn remove(&mut self, path: &str) -> Result<(), FileError> {
        let path = absolute(path);
        match self.nodes.get(&path) {
            None => return Err(FileError::NotFound),
            Some(Node::Directory) if self.below(&path).any(|(name, _)| *name != path) => {
                return Err(FileError::NotEmpty);
            }
            Some(Node::Directory) => {}
            Some(Node::File(content)) => self.bytes -= content.len(),
        }
        if path != "/" {
            Arc::make_mut(&mut self.nodes).remove(&path);
        }
        Ok(())
    }

    /// `rm -r`
    pub fn remove_all(&mut self, path: &str) -> Result<(), FileError> {
        let path = absolute(path);
        let mut inside: Vec<String> =
            self.below(&path).map(|(name, _)| name.clone()).filter(|name| *name != "/").collect();
        while let Some(name) = inside.pop() {
            self.remove(&name)?;
        }
        self.remove(&path)
    }

    /// Gives a file or a directory another name; a file that has that name is replaced.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (absolute(from), absolute(to));
        let node = self.nodes.get(&from).cloned().ok_or(FileError::NotFound)?;
        if from == to {
            return Ok(());
        }
        if to.starts_with(&format!("{from}/")) {
            return Err(FileError::Invalid);
        }
        match (&node, self.nodes.get(&to)) {
            (Node::File(_), Some(Node::Directory)) => return Err(FileError::IsDirectory),
            (Node::Directory, Some(Node::File(_))) => return Err(FileError::NotDirectory),
            (_, Some(_)) => self.remove(&to)?,
            (_, None) => self.room_for(&to)?,
        }
        let inside: Vec<(String, Node)> =
            self.below(&from).map(|(name, node)| (format!("{to}{}", &name[from.len()..]), node.clone())).collect();
        let nodes = Arc::make_mut(&mut self.nodes);
        nodes.retain(|name, _| *name != from && !name.starts_with(&format!("{from}/")));
        nodes.extend(inside);
        nodes.insert(to, node);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_wherever_they_are_written() {
        assert_eq!(absolute("a"), "/home/learner/a");
        assert_eq!(absolute("./a/../b//c/"), "/home/learner/b/c");
        assert_eq!(absolute("~/x"), "/home/learner/x");
        assert_eq!(absolute("/../.."), "/");
        assert_eq!(base_name("/tmp/x.db"), "x.db");
    }

    #[test]
    fn a_tree_keeps_its_shape() {
        let mut files = Files::default();
        assert_eq!(files.write("no/such", Bytes::new()), Err(FileError::NotFound));
        files.make_directories("a/b").unwrap();
        files.write("a/b/c", Bytes::from_static(b"one")).unwrap();
        files.append("a/b/c", b" two").unwrap();
        assert_eq!(files.read("a/b/c").unwrap(), "one two");
        assert_eq!(files.read("a"), Err(FileError::IsDirectory));
        assert_eq!(files.remove("a"), Err(FileError::NotEmpty));
        assert_eq!(files.write("a/b/c/d", Bytes::new()), Err(FileError::NotDirectory));
        files.rename("a", "z").unwrap();
        assert_eq!(files.read("z/b/c").unwrap(), "one two");
        assert!(!files.exists("a/b"));
        let names: Vec<String> = files.list("/home").unwrap().into_iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["learner"]);
        files.remove_all("z").unwrap();
        assert_eq!(files, Files::default());
    }

    #[test]
    fn a_full_disk_says_so() {
        let mut files = Files::default();
        let big = Bytes::from(vec![0; BYTES_MAX / 2 + 1]);
        files.write("one", big.clone()).unwrap();
        assert_eq!(files.write("two", big.clone()), Err(FileError::NoSpace));
        files.write("one", big).unwrap();
        files.remove("one").unwrap();
        assert_eq!(files.bytes, 0);
        for number in 0.. {
            if let Err(error) = files.write(&format!("f{number}"), Bytes::new()) {
                assert_eq!((error, files.nodes.len()), (FileError::NoSpace, NAMES_MAX));
                break;
            }
        }
    }
}
