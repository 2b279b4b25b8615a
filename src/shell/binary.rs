//! Tools that look at bytes as bytes: `dd`, `hexdump -C`, `xxd`.

use super::files::FileError;
use super::filters::HELD_BYTES_MAX;
use super::process::{Ask, Asks};
use super::text;
use bytes::Bytes;

/// What `dd` copies where, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dd {
    target: Option<String>,
    block: usize,
    count: Option<usize>,
    skip: usize,
    seek: usize,
    truncate: bool,
    report: bool,
}

impl Dd {
    /// Operands such as `of=file bs=1 seek=9000`, and the file to read.
    pub fn read(arguments: &[String]) -> Result<(Dd, Vec<String>), String> {
        let mut plan = Dd { target: None, block: 512, count: None, skip: 0, seek: 0, truncate: true, report: true };
        let mut files = Vec::new();
        for argument in arguments {
            let (name, value) =
                argument.split_once('=').ok_or_else(|| format!("dd: unrecognized operand '{argument}'"))?;
            let number = || {
                let (digits, unit) = match value.strip_suffix(['K', 'k']) {
                    Some(digits) => (digits, 1 << 10),
                    None => value.strip_suffix('M').map_or((value, 1), |digits| (digits, 1 << 20)),
                };
                let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(unit));
                number
                    .filter(|number| *number <= HELD_BYTES_MAX)
                    .ok_or_else(|| format!("dd: invalid number: '{value}'"))
            };
            match name {
                "if" => files = vec![value.to_owned()],
                "of" => plan.target = Some(value.to_owned()),
                "bs" => plan.block = number()?.max(1),
                "count" => plan.count = Some(number()?),
                "skip" => plan.skip = number()?,
                "seek" => plan.seek = number()?,
                "conv" if value == "notrunc" => plan.truncate = false,
                "status" if value == "none" => plan.report = false,
                _ => return Err(format!("dd: '{argument}' is not built into this lab")),
            }
        }
        Ok((plan, files))
    }

    /// How many bytes of input it looks at, if that is bounded.
    pub fn wanted(&self) -> Option<usize> {
        let count = self.count?;
        Some(count.saturating_add(self.skip).saturating_mul(self.block).min(HELD_BYTES_MAX))
    }

    /// Copies what was read; says how that went.
    pub fn copy(self, input: &[u8], asks: &mut Asks) -> i32 {
        let from = self.skip.saturating_mul(self.block).min(input.len());
        let most = self.count.map_or(usize::MAX, |count| count.saturating_mul(self.block));
        let chosen = &input[from..input.len().min(from.saturating_add(most))];
        match &self.target {
            None => asks.print(text::from_bytes(chosen)),
            Some(target) => {
                if let Err(error) = self.write(target, chosen, asks) {
                    asks.push(Ask::Stderr(format!("dd: failed to open '{target}': {error}\n")));
                    return 1;
                }
            }
        }
        if self.report {
            let (whole, part) = (chosen.len() / self.block, usize::from(!chosen.len().is_multiple_of(self.block)));
            let bytes = chosen.len();
            let records = format!("{whole}+{part} records in\n{whole}+{part} records out\n{bytes} bytes copied\n");
            asks.push(Ask::Stderr(records));
        }
        0
    }

    fn write(&self, target: &str, chosen: &[u8], asks: &mut Asks) -> Result<(), FileError> {
        let old = match asks.files.read(target) {
            Err(FileError::NotFound) => Bytes::new(),
            other => other?,
        };
        let at = self.seek.saturating_mul(self.block);
        if at.saturating_add(chosen.len()) > HELD_BYTES_MAX.max(old.len()) {
            return Err(FileError::NoSpace);
        }
        let mut content = old[..old.len().min(at)].to_vec();
        content.resize(at, 0);
        content.extend_from_slice(chosen);
        if !self.truncate && old.len() > content.len() {
            content.extend_from_slice(&old[content.len()..]);
        }
        asks.files.write(target, content.into())
    }
}

/// `hexdump -C`: sixteen bytes a line, a star for repeated lines, the length at the end.
pub fn hexdump(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut last: Option<&[u8]> = None;
    let mut starred = false;
    for (at, line) in bytes.chunks(16).enumerate() {
        if last == Some(line) && line.len() == 16 {
            if !std::mem::replace(&mut starred, true) {
                out.push_str("*\n");
            }
            continue;
        }
        (last, starred) = (Some(line), false);
        let half = |half: &[u8]| half.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
        let (left, right) = line.split_at(line.len().min(8));
        out += &format!("{:08x}  {:<24} {:<24} |{}|\n", at * 16, half(left), half(right), ascii(line));
    }
    if !bytes.is_empty() {
        out += &format!("{:08x}\n", bytes.len());
    }
    out
}

pub fn xxd(bytes: &[u8]) -> String {
    let line = |(at, line): (usize, &[u8])| {
        let hex: Vec<String> =
            line.chunks(2).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        format!("{:08x}: {:<39}  {}\n", at * 16, hex.join(" "), ascii(line))
    };
    bytes.chunks(16).enumerate().map(line).collect()
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }).collect()
}
