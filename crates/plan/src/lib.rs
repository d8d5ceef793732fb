//! What is asked of hosts and, later, what is changed on them: facts, operations, plans.
//!
//! Architecture invariant: nothing here does I/O, reads a clock or draws a random number. Bytes of
//! a host come in as a slice, a nonce comes in from the caller; same input, same answer.

pub mod apply;
mod approval;
mod assemble;
mod deploy;
mod extension;
mod facts;
mod lint;
mod operations;
mod patch;
mod restart;
mod sh;
pub mod testing;
mod verify;
mod wire;

pub use approval::{
    APPROVAL_NAMESPACE, Approval, ApprovalCheck, ApprovalPolicy, ApprovalRefused, ApprovedPlan, NotApproved,
    SignatureRefused, approval_message, verify_signature,
};
pub use assemble::{content_hash, plan, write_and_hash};
pub use deploy::{Evaluated, FACT_PASSES_MAX, HostView, Order, debug, evaluate, order};
pub use extension::extension;
pub use lint::{Note, lint};
pub use patch::{Patch, PatchPackage, PatchTarget, Remedy, patch_questions, patch_steps};
pub use restart::{Restart, boot_questions, read_boot};
pub use verify::{BannerSeen, RungSeen, VerifyPackage, VerifyTarget, judge, judge_banner, verify_questions};
pub use wire::{PlanFormatError, read_plan, write_plan};

pub use facts::{
    Answer, Answers, FactRequests, Facts, Nonce, ROOT_LISTED, ROOT_TEXT_FILES, ROOT_TEXT_FOLDERS, RootFiles,
    StreamEnd, UnreadableFile, collect_facts, end_of_answers, key_files, read_answer, read_facts, read_root,
    script,
};
