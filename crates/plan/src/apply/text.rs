//! Writing text into a script: quoted words and encoded bodies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::facts::quoted;

/// The bytes of one line of a body: 76 characters of base64, as RFC 2045 has them (§6.8); openssl takes no longer.
const LINE_BYTES: usize = 57;

/// The bytes of a text that stands in a script as a word: 64 KiB.
const WORD_BYTES_MAX: usize = 64 << 10;

/// The bytes of a text that the host's shell compares with a file by itself: 2 KiB. It reads byte by byte, so that a
/// longer one costs more than the process that makes a checksum.
const COMPARED_BYTES_MAX: usize = 2 << 10;

/// Ends a body. Base64 has no such character as the line's `_`.
const BODY_END: &str = "IFRIT_BODY";

/// Adds `NAME='TEXT'` and a newline.
pub(super) fn push_assignment(script: &mut Vec<u8>, name: &str, text: &str) {
    script.extend_from_slice(name.as_bytes());
    script.push(b'=');
    script.extend(quoted(text.as_bytes()));
    script.push(b'\n');
}

/// Returns how many bytes [`push_body`] adds for so many bytes, at most.
pub(super) fn body_bytes(bytes: usize) -> usize {
    bytes.div_ceil(LINE_BYTES) * 77 + 2 * BODY_END.len() + 32
}

/// Says whether bytes can stand in a script as a word: short ASCII text. Others are encoded.
pub(super) fn is_short_text(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b'\n' | b'\t' | b' '..=b'~');
    bytes.len() <= WORD_BYTES_MAX && bytes.iter().all(is_text)
}

/// Adds a command with a text as its word, and of a very short one its SHA-256. That is a shell's builtin: no
/// process gets it as argument.
pub(super) fn push_text_body(script: &mut Vec<u8>, number: usize, bytes: &[u8]) {
    script.extend_from_slice(format!("text_body {number} ").as_bytes());
    script.extend(quoted(bytes));
    if (1..=COMPARED_BYTES_MAX).contains(&bytes.len()) {
        script.push(b' ');
        let sum = Sha256::digest(bytes);
        script.extend(sum.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()));
    }
    script.push(b'\n');
}

/// Adds a command with a body as its quoted here-document, in base64.
pub(super) fn push_body(script: &mut Vec<u8>, number: usize, bytes: &[u8]) {
    script.extend_from_slice(format!("body {number} <<'{BODY_END}'\n").as_bytes());
    let mut line = Zeroizing::new(String::with_capacity(80));
    for chunk in bytes.chunks(LINE_BYTES) {
        line.clear();
        STANDARD.encode_string(chunk, &mut line);
        script.extend_from_slice(line.as_bytes());
        script.push(b'\n');
    }
    script.extend_from_slice(BODY_END.as_bytes());
    script.push(b'\n');
}
