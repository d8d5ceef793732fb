//! What is asked of hosts and, later, what is changed on them: facts, operations, plans.
//!
//! Architecture invariant: nothing here does I/O, reads a clock or draws a random number. Bytes of
//! a host come in as a slice, a nonce comes in from the caller; same input, same answer.

mod extension;
mod facts;

pub use extension::extension;

pub use facts::{
    Answer, Answers, FactRequests, Nonce, ROOT_LISTED, ROOT_TEXT_FILES, ROOT_TEXT_FOLDERS, RootFiles,
    StreamEnd, UnreadableFile, collect_facts, key_files, read_answer, read_root, script,
};
