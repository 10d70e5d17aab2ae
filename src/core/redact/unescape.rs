//! Undoing what programs escape, with a memory of where each byte stood before.

/// A text some of whose escapes are undone, and where each of its bytes stood in the text as it was written.
pub(super) struct Unescaped {
    bytes: Vec<u8>,
    from: Vec<(usize, usize)>,
}

/// What an escape at the beginning of the bytes stands for, and how long it is.
pub(super) type Rule = fn(&[u8]) -> Option<(Escape, usize)>;

/// The ways to escape.
pub(super) const RULES: [Rule; 3] = [percent, percent_and_plus, backslash];

/// What an escape stands for.
pub(super) enum Escape {
    Byte(u8),
    Char(char),
}

impl Unescaped {
    /// A text as it is written.
    pub(super) fn nothing(text: &str) -> Self {
        Self {
            bytes: text.as_bytes().to_vec(),
            from: (0..text.len()).map(|at| (at, at + 1)).collect(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the text as it was written the bytes between these stood; there is at least one.
    pub(super) fn written(&self, start: usize, end: usize) -> (usize, usize) {
        (self.from[start].0, self.from[end - 1].1)
    }

    /// `None` if there is nothing to undo.
    pub(super) fn undo(&self, rule: Rule) -> Option<Self> {
        let mut undone = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            from: Vec::with_capacity(self.bytes.len()),
        };
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            let Some((escape, length)) = rule(&self.bytes[at..]) else {
                undone.bytes.push(self.bytes[at]);
                undone.from.push(self.from[at]);
                at += 1;
                continue;
            };
            match escape {
                Escape::Byte(byte) => undone.bytes.push(byte),
                Escape::Char(c) => {
                    let mut room = [0; 4];
                    undone
                        .bytes
                        .extend_from_slice(c.encode_utf8(&mut room).as_bytes());
                }
            }
            let whole = (self.from[at].0, self.from[at + length - 1].1);
            undone.from.resize(undone.bytes.len(), whole);
            at += length;
            changed = true;
        }
        changed.then_some(undone)
    }
}

fn percent(bytes: &[u8]) -> Option<(Escape, usize)> {
    match bytes {
        [b'%', high, low, ..] => Some((Escape::Byte(byte(&[*high, *low])?), 3)),
        _ => None,
    }
}

/// As forms are sent: a plus is a blank.
fn percent_and_plus(bytes: &[u8]) -> Option<(Escape, usize)> {
    match bytes {
        [b'+', ..] => Some((Escape::Byte(b' '), 1)),
        _ => percent(bytes),
    }
}

/// As JSON and most languages write texts.
fn backslash(bytes: &[u8]) -> Option<(Escape, usize)> {
    let [b'\\', kind, rest @ ..] = bytes else {
        return None;
    };
    let byte_of = |byte| Some((Escape::Byte(byte), 2));
    match kind {
        b'n' => byte_of(b'\n'),
        b'r' => byte_of(b'\r'),
        b't' => byte_of(b'\t'),
        b'b' => byte_of(8),
        b'f' => byte_of(12),
        b'"' | b'\'' | b'\\' | b'/' => byte_of(*kind),
        b'x' => Some((Escape::Byte(byte(rest.get(..2)?)?), 4)),
        b'u' => unicode(rest),
        _ => None,
    }
}

/// What follows `\u`: four digits, and for what lies beyond them a second escape.
fn unicode(rest: &[u8]) -> Option<(Escape, usize)> {
    let unit = |digits: &[u8]| {
        Some(u16::from_be_bytes([
            byte(digits.get(..2)?)?,
            byte(digits.get(2..4)?)?,
        ]))
    };
    let first = unit(rest)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((Escape::Char(c), 6));
    }
    let second = unit(rest.get(4..)?.strip_prefix(b"\\u")?)?;
    match char::decode_utf16([first, second]).next() {
        Some(Ok(c)) => Some((Escape::Char(c), 12)),
        Some(Err(_)) | None => None,
    }
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |c: &u8| char::from(*c).to_digit(16);
    match digits {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    }
}
