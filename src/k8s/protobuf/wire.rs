//! Protobuf's wire: tags, numbers, lengths. Errors are those of upstream's generated code.

/// How a field is written.
pub(super) const VARINT: u8 = 0;
pub(super) const FIXED64: u8 = 1;
pub(super) const BYTES: u8 = 2;

/// A field as it lies in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub number: u32,
    pub content: Content<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Of no use here: a group or 32 fixed bits.
    Other(u8),
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or("unexpected EOF")?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < &0x80 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".to_owned())
    }

    /// How many bytes are still to be read.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field of a message.
    pub fn next(&mut self, message: &str) -> Result<Option<Raw<'a>>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = (key & 7) as u8;
        let number = key >> 3;
        if wire == 4 {
            return Err(format!("proto: {message}: wiretype end group for non-group"));
        }
        let number = u32::try_from(number).ok().filter(|number| *number > 0 && *number <= i32::MAX as u32);
        let number =
            number.ok_or_else(|| format!("proto: {message}: illegal tag {} (wire type {wire})", (key >> 3) as i32))?;
        let content = match wire {
            VARINT => Content::Varint(self.varint()?),
            FIXED64 => Content::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken"))),
            BYTES => {
                let length = self.varint()?;
                if (length as i64) < 0 {
                    return Err("proto: negative length found during unmarshaling".to_owned());
                }
                Content::Bytes(self.take(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            3 => {
                self.skip_group()?;
                Content::Other(wire)
            }
            5 => {
                self.take(4)?;
                Content::Other(wire)
            }
            _ => return Err(format!("proto: illegal wireType {wire}")),
        };
        Ok(Some(Raw { number, content }))
    }

    /// Groups are of another age; they are passed over, nested ones counted rather than entered.
    fn skip_group(&mut self) -> Result<(), String> {
        let mut depth = 1u32;
        while depth > 0 {
            match (self.varint()? & 7) as u8 {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.take(8)?),
                BYTES => {
                    let length = self.varint()?;
                    self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                }
                3 => depth += 1,
                4 => depth -= 1,
                5 => drop(self.take(4)?),
                wire => return Err(format!("proto: illegal wireType {wire}")),
            }
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("unexpected EOF")?;
        self.rest = rest;
        Ok(taken)
    }
}

impl Content<'_> {
    pub fn wire(&self) -> u8 {
        match self {
            Content::Varint(_) => VARINT,
            Content::Fixed64(_) => FIXED64,
            Content::Bytes(_) => BYTES,
            Content::Other(wire) => *wire,
        }
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_tag(out: &mut Vec<u8>, number: u32, wire: u8) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

pub(super) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_tag(out, number, VARINT);
    put_varint(out, value);
}
