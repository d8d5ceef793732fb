//! The sh functions that facts, probes and actions are made of, and how scripts are put together.
//!
//! They run in dash, busybox ash, FreeBSD's sh and bash, with `PATH` and `LC_ALL=C` set by the script
//! around them. No arrays, no `[[`, no `local`, no here-documents. A question (a function that only
//! reads) prints a short canonical text; the same function is the fact, the probe before a step and the
//! probe after it, so the three can be compared as text. Programs differ (`stat`, `sha256sum`,
//! `useradd`): each function looks for what the host has, by builtins where it can, because a process
//! started per fact is what a deploy's time is made of.

mod accounts;
mod aside;
mod checkout;
mod files;
mod home;
mod lines;
mod packages;
mod patch;
mod repositories;
mod services;
mod settings;
mod system;
mod transfer;
mod verify;
mod waiting;

pub(crate) use accounts::{
    GROUP_STATE, KEYS_STATE, MAKE_GROUP, MAKE_USER, PUT_KEYS, REMOVE_GROUP, REMOVE_USER, USER_STATE,
};
pub(crate) use aside::{OWN_STATE, RUN_SCRIPT, SET_ASIDE, SET_TIME, TIMED_STATE};
pub(crate) use checkout::{DESTROY_DATASET, GIT_CHECKOUT, GIT_STATE, SET_DATASET, ZFS_STATE};
pub(crate) use files::{
    FILE_STATE, KNOW_ACCESS, KNOW_SUMS, MAKE_DIRECTORY, MAKE_LINK, MAKE_PARENT, PUT_FILE, REMOVE_PATH,
    SHOW_FILE, TOUCH_FILE, TREE_STATE,
};
pub(crate) use home::GO_HOME;
pub(crate) use lines::{BLOCK_STATE, EDIT_BLOCK, EDIT_LINE, LINE_STATE, REPLACE_STATE, REPLACE_TEXT};
pub(crate) use packages::{CHANGE_PACKAGES, PACKAGE_STATE};
pub(crate) use patch::{BASE_STATE, PATCH_BASE, PATCH_PACKAGES, PATCH_VERSIONS, UPGRADE_STATE, USERS_OF};
pub(crate) use repositories::{
    CHANGE_DEB, CHANGE_PKG, DEB_STATE, LBU_COMMIT, LBU_STATE, LISTS_STATE, PENDING_STATE, PKG_STATE,
    UPDATE_BASE, UPDATE_LISTS, UPGRADE_ALL,
};
pub(crate) use services::{CHANGE_SERVICE, RUN_SERVICE, SERVICE_STATE};
pub(crate) use settings::{
    EDIT_HOSTS, EDIT_SSHD, HOSTS_STATE, JAIL_STATE, LOCALE_STATE, SET_JAIL, SET_LINE, SET_LOCALE, SSHD_STATE,
};
pub(crate) use system::{
    BOOT_ID, CHANGE_CRONTAB, CRON_STATE, GUARD_STATE, HOSTNAME_STATE, MODULE_STATE, MOUNT_STATE, OS_RELEASE,
    PATHS_STATE, REBOOT, RUN_COMMAND, SET_HOSTNAME, SET_MODULE, SET_MOUNT, SET_SYSCTL, SET_SYSRC,
    SET_TIMEZONE, SHELL, SYSCTL_STATE, SYSRC_STATE, TIMEZONE_STATE,
};
pub(crate) use transfer::{
    COPY_PATH, COPY_STATE, DOWNLOAD_FILE, DOWNLOAD_STATE, FLAGS_STATE, MOVE_PATH, PACK, SET_FLAGS,
    SYNC_DELETE, SYNC_STATE, UNPACK,
};
pub(crate) use verify::{VERIFY_BASE, VERIFY_FILES, VERIFY_KERNEL, VERIFY_RUNS, VERIFY_VERSIONS};
pub(crate) use waiting::{WAIT_FOR, WAIT_STATE};

use crate::facts::quoted;

/// What an action begins with whose first effect, but for missing directories and a backup beside the file, is a new
/// file that takes its place: it flushes that file before, and the apply script's journal in the same process; or, where
/// several such steps are taken together, lets the script do so for all. Such an action may be taken twice.
pub(crate) const FLUSHES_FIRST: &str =
    "# its new file is flushed, alone or with others, before it takes its place\n";

/// The functions that end in `take_place`, and have no other effect before.
const FILE_WRITERS: [&str; 7] =
    ["put_file", "edit_line", "replace_text", "edit_block", "set_line", "edit_hosts", "edit_sshd"];

/// A sh function.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// Its name; a word of `[a-z_]`, unique.
    pub name: &'static str,
    /// Its definition.
    pub text: &'static str,
    /// The functions that it calls.
    pub needs: &'static [&'static Tool],
}

/// A script for a host: the functions it needs, then calls with quoted words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    tools: Vec<&'static Tool>,
    calls: String,
}

impl Script {
    /// Makes a script of one call.
    pub(crate) fn call<W: AsRef<str>>(tool: &'static Tool, words: &[W]) -> Self {
        Self::default().and(tool, words)
    }

    /// Adds a call, which runs only if those before it succeeded.
    #[must_use]
    pub(crate) fn and<W: AsRef<str>>(self, tool: &'static Tool, words: &[W]) -> Self {
        self.add(tool, None, words)
    }

    /// Adds a call whose first word is the path of a body.
    #[must_use]
    pub(crate) fn and_body<W: AsRef<str>>(self, tool: &'static Tool, body: usize, words: &[W]) -> Self {
        self.add(tool, Some(body), words)
    }

    /// Returns the text: definitions, then the calls; before them [`FLUSHES_FIRST`] where that holds.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let last = self.tools.last();
        let writes = |tool: &&Tool| FILE_WRITERS.contains(&tool.name);
        if last.is_some_and(writes)
            && self.tools.iter().all(|tool| tool.name == "make_parent" || writes(tool))
        {
            text.push_str(FLUSHES_FIRST);
        }
        text.push_str(&definitions(&self.tools));
        text.push_str(&self.calls);
        text
    }

    fn add<W: AsRef<str>>(mut self, tool: &'static Tool, body: Option<usize>, words: &[W]) -> Self {
        self.tools.push(tool);
        if !self.calls.is_empty() {
            self.calls.push_str(" &&\n");
        }
        self.calls.push_str(tool.name);
        if let Some(body) = body {
            self.calls.push_str(&format!(" \"${}\"", model::Step::body_variable(body)));
        }
        for word in words {
            self.calls.push(' ');
            self.calls.push_str(&word_of(word.as_ref()));
        }
        self
    }
}

/// Returns text as one quoted word.
pub(crate) fn word_of(text: &str) -> String {
    // A word of UTF-8 stays UTF-8 when single bytes are quoted.
    String::from_utf8_lossy(&quoted(text.as_bytes())).into_owned()
}

/// Returns the definitions of these functions and of those they call, each once, callees first.
pub(crate) fn definitions(tools: &[&'static Tool]) -> String {
    let mut order: Vec<&'static Tool> = Vec::new();
    for tool in tools {
        add_with_needs(tool, &mut order);
    }
    order.iter().map(|tool| tool.text).collect()
}

fn add_with_needs(tool: &'static Tool, order: &mut Vec<&'static Tool>) {
    if order.iter().any(|other| other.name == tool.name) {
        return;
    }
    for need in tool.needs {
        add_with_needs(need, order);
    }
    order.push(tool);
}
