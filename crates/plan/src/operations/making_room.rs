//! pyinfra's `force`, `force_backup` and `force_backup_dir`: what happens to something of another kind at a path.

use model::Risk;
use starlark::values::none::NoneOr;

use super::argument::{checked_path, given, removable};
use super::whole_file::refuse_other_kinds;
use crate::sh::{self, Script};

/// What happens to something of another kind at a path.
pub(super) struct Room {
    force: bool,
    keeps: bool,
    folder: String,
}

impl Room {
    /// Reads the arguments; nothing is replaced at the root, or directly below it.
    pub(super) fn read(path: &str, force: bool, backup: bool, folder: NoneOr<&str>) -> Result<Self, String> {
        if force {
            removable("path", path)?;
        }
        let folder = given(folder).map(|it| checked_path("force_backup_dir", it)).transpose()?;
        Ok(Self { force, keeps: backup || folder.is_some(), folder: folder.unwrap_or_default() })
    }

    /// Refuses what only a person should replace.
    pub(super) fn refuse(&self, path: &str, before: Option<&str>, expected: &str) -> Result<(), String> {
        if self.force {
            return Ok(());
        }
        refuse_other_kinds(path, before, expected)
            .map_err(|why| format!("{why}; `force = True` puts it aside"))
    }

    /// Begins an action by making room.
    pub(super) fn script(&self, path: &str, kind: &str) -> Script {
        if !self.force {
            return Script::default();
        }
        let keeps = if self.keeps { "keep" } else { "" };
        Script::call(&sh::SET_ASIDE, &[path, kind, keeps, &self.folder])
    }

    /// Says whether what is below the path may go with it.
    pub(super) fn is_forced(&self) -> bool {
        self.force
    }

    /// What may go wrong.
    pub(super) fn risks(&self) -> Option<Risk> {
        (self.force && !self.keeps).then_some(Risk::Data)
    }
}
