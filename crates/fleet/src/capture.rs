//! A buffer that keeps a bounded part of a stream.

/// Keeps the first bytes of a stream.
#[derive(Debug)]
pub(crate) struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_over: bool,
}

impl Capture {
    /// Makes a buffer for at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes: Vec::new(), bytes_max, is_over: false }
    }

    /// Adds what fits.
    pub(crate) fn push(&mut self, data: &[u8]) {
        let fits = data.len().min(self.bytes_max - self.bytes.len());
        self.bytes.extend_from_slice(&data[..fits]);
        self.is_over |= fits < data.len();
    }

    /// Says whether something did not fit.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Says whether nothing was kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Says whether what was kept is all that came, and ends so.
    pub(crate) fn ends_with(&self, end: &[u8]) -> bool {
        !self.is_over && self.bytes.ends_with(end)
    }

    /// Returns what was kept.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_fits() {
        let mut capture = Capture::new(3);
        capture.push(b"ab");
        assert!(!capture.is_over());
        capture.push(b"c");
        assert!(!capture.is_over());
        capture.push(b"");
        assert!(!capture.is_over() && capture.ends_with(b"bc") && !capture.ends_with(b"ab"));
        capture.push(b"de");
        assert!(capture.is_over() && !capture.ends_with(b"bc"));
        assert_eq!(capture.into_bytes(), b"abc");
    }
}
