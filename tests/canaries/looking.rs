//! Random words and where they are found, independent of how longshore takes them out.

use crate::docker;
use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A value that is found again wherever it is, whole or in parts: it is made of random words.
pub struct Canary {
    /// On which way it came in.
    pub what: &'static str,
    pub value: String,
    /// What cannot be anywhere by accident, by its form.
    needles: Vec<(&'static str, String)>,
}

impl Canary {
    /// One with everything that programs escape.
    pub fn text(what: &'static str) -> Self {
        let words = [word(), word()];
        let value = format!("{} \"/+&\\%é={}", words[0], words[1]);
        Self::with(what, value, &words)
    }

    /// One of several lines.
    pub fn key(what: &'static str) -> Self {
        let words: Vec<String> = (0..8).map(|_| word()).collect();
        let lines: Vec<String> = words.chunks(2).map(<[String]>::concat).collect();
        let value = format!(
            "-----BEGIN CANARY-----\n{}\n-----END CANARY-----",
            lines.join("\n")
        );
        Self::with(what, value, &words)
    }

    /// One without anything that is escaped.
    pub fn word(what: &'static str) -> Self {
        Self::of(what, &word())
    }

    /// Looks for this word.
    pub fn of(what: &'static str, word: &str) -> Self {
        Self::with(what, word.to_owned(), &[word.to_owned()])
    }

    fn with(what: &'static str, value: String, words: &[String]) -> Self {
        let needles = words.iter().flat_map(|word| needles(word)).collect();
        Self {
            what,
            value,
            needles,
        }
    }

    /// The forms in which it is there.
    pub fn forms_in(&self, bytes: &[u8]) -> BTreeSet<&'static str> {
        let there = |(_, needle): &&(&str, String)| contains(bytes, needle);
        let found = self.needles.iter().filter(there);
        found.map(|(form, _)| *form).collect()
    }

    pub fn all_forms(&self) -> BTreeSet<&'static str> {
        self.needles.iter().map(|(form, _)| *form).collect()
    }
}

/// 32 hexadecimal digits: JSON and URLs leave them as they are, and half of them is no accident, either.
fn word() -> String {
    docker::random().simple().to_string()
}

fn needles(word: &str) -> Vec<(&'static str, String)> {
    let (head, tail) = word.split_at(word.len() / 2);
    let url: String = head.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let mut needles = vec![
        ("as it is", head.to_owned()),
        ("as it is", tail.to_owned()),
        ("in a URL", url.to_uppercase()),
        ("in a URL", url),
    ];
    // At each of the three places that it can have in what was encoded, without what its neighbours change.
    for lead in 0..3usize {
        // Both alphabets write such words alike.
        let encoded = STANDARD.encode(format!("{}{word}", &"xx"[..lead]));
        let certain = &encoded[(lead * 8).div_ceil(6)..(lead + word.len()) * 8 / 6];
        // A line may end in the middle.
        for half in [&certain[..16], &certain[certain.len() - 16..]] {
            needles.push(("in base64", half.to_owned()));
        }
    }
    needles
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes
        .windows(needle.len())
        .any(|part| part == needle.as_bytes())
}

/// Where canaries were found.
pub struct Finds {
    /// All that is looked for at once, and what each of it is.
    needles: AhoCorasick,
    names: Vec<String>,
    found: BTreeSet<String>,
}

impl Finds {
    pub fn new<'a>(canaries: impl IntoIterator<Item = &'a Canary>) -> Self {
        let mut names = Vec::new();
        let mut needles = Vec::new();
        for canary in canaries {
            for (form, needle) in &canary.needles {
                names.push(format!("{} is {form}", canary.what));
                needles.push(needle);
            }
        }
        Self {
            needles: AhoCorasick::new(needles).unwrap(),
            names,
            found: BTreeSet::new(),
        }
    }

    pub fn look(&mut self, place: &str, text: &str) {
        self.look_at_bytes(place, text.as_bytes());
    }

    pub fn look_at_bytes(&mut self, place: &str, bytes: &[u8]) {
        for hit in self.needles.find_overlapping_iter(bytes) {
            let name = &self.names[hit.pattern().as_usize()];
            self.found.insert(format!("{name} in {place}"));
        }
    }

    /// Looks into every file, as `strings` would.
    pub fn look_below(&mut self, directory: &Path) {
        for entry in walkdir::WalkDir::new(directory) {
            // Scratch may go away meanwhile.
            let Ok(entry) = entry else { continue };
            if let Ok(bytes) = std::fs::read(entry.path()) {
                self.look_at_bytes(&entry.path().display().to_string(), &bytes);
            }
        }
    }

    #[track_caller]
    pub fn are_none(&self) {
        let found: Vec<_> = self.found.iter().map(String::as_str).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// Every file's bytes, one after the other.
pub fn read_below(directory: &Path) -> Vec<u8> {
    let files = walkdir::WalkDir::new(directory).into_iter();
    let read = files.filter_map(|entry| std::fs::read(entry.ok()?.path()).ok());
    read.flatten().collect()
}

/// The command lines of all programs that run on this host, looked at again and again.
pub struct CommandLines {
    seen: Arc<Mutex<HashSet<Vec<u8>>>>,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl CommandLines {
    pub fn watch() -> Self {
        let seen: Arc<Mutex<HashSet<Vec<u8>>>> = Arc::default();
        let ends: Arc<AtomicBool> = Arc::default();
        let (writes, stop) = (seen.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").unwrap().flatten() {
                    if let Ok(line) = std::fs::read(process.path().join("cmdline")) {
                        writes.lock().unwrap().insert(line);
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { seen, ends, thread }
    }

    /// Waits for one with this text.
    pub async fn until_seen(&self, text: &str) {
        while !self
            .seen
            .lock()
            .unwrap()
            .iter()
            .any(|line| contains(line, text))
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn end(self) -> HashSet<Vec<u8>> {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}
