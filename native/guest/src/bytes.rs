//! A queue of bytes that is filled at one end and emptied at the other.

/// Kept for reuse up to this size; what a burst took beyond it is given back.
const KEPT_BYTES: usize = 512 * 1024;

#[derive(Default)]
pub struct ByteQueue {
    bytes: Vec<u8>,
    start: usize,
}

impl ByteQueue {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, more: &[u8]) {
        self.end().extend_from_slice(more);
    }

    /// The vector to append to.
    pub fn end(&mut self) -> &mut Vec<u8> {
        // The front is cut off when that moves little.
        if self.start > 0 && self.len() <= self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        &mut self.bytes
    }

    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
        if self.is_empty() {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        self.start = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// Everything that waits; `empty` becomes the queue's memory.
    pub fn take(&mut self, empty: Vec<u8>) -> Vec<u8> {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        std::mem::replace(&mut self.bytes, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_they_went_in() {
        let mut queue = ByteQueue::default();
        queue.push(b"hello ");
        queue.consume(2);
        queue.push(b"world");
        assert_eq!(queue.waiting(), b"llo world");
        queue.consume(4);
        queue.push(b"!");
        assert_eq!(queue.take(Vec::new()), b"world!");
        assert!(queue.is_empty());
    }
}
