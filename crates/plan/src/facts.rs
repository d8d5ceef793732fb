//! Facts: read-only questions to a host. A fact is a name, a POSIX sh snippet and a pure parser,
//! defined once in [`fact`]; a scan is a fixed set of them, sent as one script ([`script`]) and
//! answered in frames ([`answer`]). An offline root directory is read by the same parsers.

mod answer;
mod apk;
mod collection;
mod dpkg;
mod fact;
mod faults;
mod files;
mod freebsd;
mod observed;
mod os_release;
mod package;
mod question;
mod root;
mod script;
mod seen;
mod software;
mod word;

pub use answer::{Answer, Answers, StreamEnd, read_answer};
pub use collection::collect_facts;
pub use fact::FactRequests;
pub(crate) use freebsd::vuxml_version;
pub(crate) use question::{FactAnswer, Question};
pub use question::{Facts, read_facts};
pub use root::{
    ROOT_LISTED, ROOT_TEXT_FILES, ROOT_TEXT_FOLDERS, RootFiles, UnreadableFile, key_files, read_root,
};
pub use script::{Nonce, end_of_answers, script};
pub(crate) use word::quoted;
