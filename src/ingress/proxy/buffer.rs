//! The bytes read from a peer and not yet taken, and a store of such buffers to use again.

use std::cell::RefCell;

/// Holds most heads, and small bodies.
pub(super) const SMALL: usize = 16 * 1024;
/// For long bodies: fewer and longer reads and writes. More gained nothing when it was measured.
pub(super) const LARGE: usize = 128 * 1024;
/// So many of each are kept by a worker for the next who needs one: about 2 MiB when all are idle.
const SMALL_KEPT: usize = 64;
const LARGE_KEPT: usize = 8;

/// Bytes in the order they came. Without memory of its own until it is given some.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub fn filled(&self) -> &[u8] {
        &self.memory[self.start..self.end]
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn has_memory(&self) -> bool {
        !self.memory.is_empty()
    }

    pub fn size(&self) -> usize {
        self.memory.len()
    }

    /// Where more can be read to; empty when it is full.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.memory.len() && self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.memory[self.end..]
    }

    pub fn is_full(&self) -> bool {
        self.end - self.start == self.memory.len()
    }

    /// So many bytes were read to its room.
    pub fn came(&mut self, count: usize) {
        self.end += count;
    }

    pub fn take(&mut self, count: usize) {
        self.start += count;
    }

    pub fn grow(&mut self, size: usize) {
        if size > self.memory.len() {
            self.memory.resize(size, 0);
        }
    }
}

/// Buffers and lists of bytes that nobody uses now.
#[derive(Debug, Default)]
pub(super) struct Spares {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    written: RefCell<Vec<Vec<u8>>>,
}

impl Spares {
    /// Gives it memory if it has none.
    pub fn provide(&self, buffer: &mut Buffer) {
        if !buffer.has_memory() {
            buffer.memory = self
                .small
                .borrow_mut()
                .pop()
                .unwrap_or_else(|| vec![0; SMALL]);
        }
    }

    /// Gives it the memory for a long body.
    pub fn enlarge(&self, buffer: &mut Buffer) {
        if buffer.size() >= LARGE {
            return;
        }
        let mut memory = self
            .large
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| vec![0; LARGE]);
        let held = buffer.filled();
        let length = held.len();
        memory[..length].copy_from_slice(held);
        let old = std::mem::replace(
            buffer,
            Buffer {
                memory,
                start: 0,
                end: length,
            },
        );
        self.keep(old);
    }

    /// Takes its memory back; what it holds is gone.
    pub fn keep(&self, buffer: Buffer) {
        let (list, most) = match buffer.size() {
            SMALL => (&self.small, SMALL_KEPT),
            LARGE => (&self.large, LARGE_KEPT),
            _ => return,
        };
        let mut list = list.borrow_mut();
        if list.len() < most {
            list.push(buffer.memory);
        }
    }

    /// Takes the memory of one that holds nothing.
    pub fn keep_empty(&self, buffer: &mut Buffer) {
        if buffer.is_empty() && buffer.has_memory() {
            self.keep(std::mem::take(buffer));
        }
    }

    /// An empty list of bytes to write to.
    pub fn list(&self) -> Vec<u8> {
        self.written
            .borrow_mut()
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(2048))
    }

    pub fn keep_list(&self, mut list: Vec<u8>) {
        let mut lists = self.written.borrow_mut();
        if list.capacity() <= 2 * SMALL && lists.len() < SMALL_KEPT {
            list.clear();
            lists.push(list);
        }
    }
}
