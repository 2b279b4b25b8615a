//! curl's command line: short options in clusters, long ones with `--no-`, and its own words about what is wrong.

use crate::sim::Micros;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Options {
    pub silent: bool,
    pub show_error: bool,
    pub fail: bool,
    pub include: bool,
    pub head: bool,
    pub verbose: bool,
    pub remote_name: bool,
    pub globoff: bool,
    pub request: Option<String>,
    pub headers: Vec<String>,
    pub data: Option<String>,
    pub user_agent: Option<String>,
    pub max_time: Option<Micros>,
    pub connect_timeout: Option<Micros>,
    pub write_out: Option<String>,
    /// For the URLs in their order.
    pub outputs: Vec<String>,
    pub urls: Vec<String>,
    pub help: bool,
    pub version: bool,
}

/// How an option is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
}

/// Long name, letter, whether it takes a value, and what it does.
const TABLE: &[(&str, char, Takes, &str)] = &[
    ("connect-timeout", '\0', Takes::Value, "<seconds> Maximum time allowed for the connection"),
    ("data", 'd', Takes::Value, "<data> HTTP POST data"),
    ("data-raw", '\0', Takes::Value, "<data> HTTP POST data, '@' allowed"),
    ("fail", 'f', Takes::Nothing, "Fail fast with no output on HTTP errors"),
    ("globoff", 'g', Takes::Nothing, "Disable URL sequences and ranges using {} and []"),
    ("head", 'I', Takes::Nothing, "Show document info only"),
    ("header", 'H', Takes::Value, "<header> Pass custom header to server"),
    ("help", 'h', Takes::Nothing, "Get help"),
    ("include", 'i', Takes::Nothing, "Include protocol response headers in the output"),
    ("insecure", 'k', Takes::Nothing, "Allow insecure server connections (nothing here is secure)"),
    ("ipv4", '4', Takes::Nothing, "Resolve names to IPv4 addresses (names have no addresses here)"),
    ("location", 'L', Takes::Nothing, "Follow redirects (nobody here redirects)"),
    ("max-time", 'm', Takes::Value, "<seconds> Maximum time allowed for transfer"),
    ("no-buffer", 'N', Takes::Nothing, "Disable buffering of the output stream"),
    ("output", 'o', Takes::Value, "<file> Write to file instead of stdout"),
    ("remote-name", 'O', Takes::Nothing, "Write output to a file named as the remote file"),
    ("request", 'X', Takes::Value, "<method> Specify request method to use"),
    ("show-error", 'S', Takes::Nothing, "Show error even when -s is used"),
    ("silent", 's', Takes::Nothing, "Silent mode"),
    ("url", '\0', Takes::Value, "<url> URL to work with"),
    ("user-agent", 'A', Takes::Value, "<name> Send User-Agent <name> to server"),
    ("verbose", 'v', Takes::Nothing, "Make the operation more talkative"),
    ("version", 'V', Takes::Nothing, "Show version number and quit"),
    ("write-out", 'w', Takes::Value, "<format> Use output FORMAT after completion"),
];

/// The long options, for completion.
pub fn names() -> impl Iterator<Item = String> {
    TABLE.iter().map(|(name, ..)| format!("--{name}"))
}

pub fn help() -> String {
    let mut out = "Usage: curl [options...] <url>\n".to_owned();
    for (name, letter, takes, about) in TABLE {
        let short = if *letter == '\0' { "    ".to_owned() } else { format!("-{letter}, ") };
        let (value, about) = match takes {
            Takes::Value => about.split_once(' ').unwrap_or((about, "")),
            Takes::Nothing => ("", *about),
        };
        let long = format!("--{name} {value}");
        out += &format!(" {short}{long:<26} {about}\n");
    }
    out + "\nThe options of the real curl that are not listed are not built into this lab.\n"
}

impl Options {
    /// What is wrong goes to standard error; the status is 2.
    pub fn read(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        let mut only_urls = false;
        while let Some(argument) = rest.next() {
            if only_urls || !argument.starts_with('-') || argument == "-" {
                options.urls.push(argument.clone());
            } else if argument == "--" {
                only_urls = true;
            } else if let Some(name) = argument.strip_prefix("--") {
                options.long(argument, name, &mut rest)?;
            } else {
                options.short(argument, &mut rest)?;
            }
        }
        Ok(options)
    }

    fn long(&mut self, argument: &str, name: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), String> {
        let known = |name: &str| TABLE.iter().find(|(known, ..)| *known == name);
        let off = known(name).is_none().then(|| name.strip_prefix("no-")).flatten();
        match (known(off.unwrap_or(name)), off) {
            (Some((name, _, Takes::Nothing, _)), off) => {
                self.set(name, off.is_none());
                Ok(())
            }
            (Some((name, ..)), None) => {
                let value = rest.next().ok_or_else(|| wrong(argument, "requires parameter"))?;
                self.take(argument, name, value)
            }
            _ => Err(wrong(argument, "is unknown")),
        }
    }

    /// Letters in one word; what follows a letter that takes a value is its value.
    fn short(&mut self, argument: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<(), String> {
        for (at, letter) in argument[1..].char_indices() {
            let Some((name, _, takes, _)) = TABLE.iter().find(|(_, known, ..)| *known == letter) else {
                return Err(wrong(argument, "is unknown"));
            };
            if *takes == Takes::Nothing {
                self.set(name, true);
                continue;
            }
            let attached = &argument[1 + at + letter.len_utf8()..];
            if !attached.is_empty() {
                return self.take(argument, name, attached);
            }
            let value = rest.next().ok_or_else(|| wrong(argument, "requires parameter"))?;
            return self.take(argument, name, value);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, on: bool) {
        match name {
            "fail" => self.fail = on,
            "globoff" => self.globoff = on,
            "head" => self.head = on,
            "help" => self.help = on,
            "include" => self.include = on,
            "remote-name" => self.remote_name = on,
            "show-error" => self.show_error = on,
            "silent" => self.silent = on,
            "verbose" => self.verbose = on,
            "version" => self.version = on,
            // What makes no difference here.
            _ => {}
        }
    }

    fn take(&mut self, argument: &str, name: &str, value: &str) -> Result<(), String> {
        let seconds = || micros(value).ok_or_else(|| wrong(argument, "expected a proper numerical parameter"));
        let text = value.to_owned();
        match name {
            "connect-timeout" => self.connect_timeout = Some(seconds()?).filter(|span| span.0 > 0),
            "max-time" => self.max_time = Some(seconds()?).filter(|span| span.0 > 0),
            "data" | "data-raw" => {
                if name == "data" && value.starts_with('@') {
                    return Err(format!("curl: reading data from a file ({value}) is not built into this lab\n"));
                }
                self.data = Some(self.data.take().map_or(text.clone(), |before| format!("{before}&{text}")));
            }
            "header" => self.headers.push(text),
            "output" => self.outputs.push(text),
            "request" => self.request = Some(text),
            "user-agent" => self.user_agent = Some(text),
            "write-out" => self.write_out = Some(text),
            _ => self.urls.push(text),
        }
        Ok(())
    }
}

/// Two lines, as curl has them.
fn wrong(argument: &str, why: &str) -> String {
    format!("curl: option {argument}: {why}\n{TRY}")
}

pub const TRY: &str = "curl: try 'curl --help' or 'curl --manual' for more information\n";

/// Decimal seconds.
fn micros(text: &str) -> Option<Micros> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}")[..6].parse().ok()?;
    Some(Micros(seconds.checked_mul(1_000_000)?.checked_add(fraction)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn letters_cluster_and_carry_their_value() {
        let options = read("-sSm1.5 -oout http://a --no-silent -H X:1").unwrap();
        assert!(options.show_error && !options.silent);
        assert_eq!(options.max_time, Some(Micros(1_500_000)));
        assert_eq!(
            (options.outputs, options.urls, options.headers),
            (vec!["out".to_owned()], vec!["http://a".to_owned()], vec!["X:1".to_owned()],)
        );
    }

    #[test]
    fn what_is_wrong_is_said_as_curl_says_it() {
        for (line, said) in [
            ("--foo", "option --foo: is unknown"),
            ("-9z http://x", "option -9z: is unknown"),
            ("-m", "option -m: requires parameter"),
            ("-m x http://a", "option -m: expected a proper numerical parameter"),
            ("--no-foo", "option --no-foo: is unknown"),
        ] {
            assert_eq!(read(line), Err(format!("curl: {said}\n{TRY}")), "{line}");
        }
    }
}
