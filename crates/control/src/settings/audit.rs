//! `[audit]`: who signs the record, and where that goes.

use std::time::Duration;

use super::Settings;

impl Settings {
    /// Returns the places that checkpoints are brought to, as written: `git`, `notify:NAME`, `file:PATH`.
    pub fn audit_anchors(&self) -> &[String] {
        self.texts("audit.anchors")
    }

    /// Returns the ref of the git notes.
    pub fn audit_git_ref(&self) -> &str {
        self.text("audit.git_ref")
    }

    /// Returns the git remotes that the notes are pushed to.
    pub fn audit_push_remotes(&self) -> &[String] {
        self.texts("audit.push_remotes")
    }

    /// Returns how old the newest anchor may be.
    pub fn audit_anchor_age_max(&self) -> Duration {
        Duration::from_secs(self.whole("audit.anchor_hours_max") * 60 * 60)
    }

    /// Returns how old the last checkpoint may be when something else than a run is put on record.
    pub fn audit_checkpoint_age(&self) -> Duration {
        Duration::from_secs(self.whole("audit.checkpoint_secs"))
    }

    /// Returns the file of the key that signs, as written (`~/` not yet expanded).
    pub fn audit_key_file(&self) -> &str {
        self.text("audit.key_file")
    }

    /// Returns the public keys that count beside the own one.
    pub fn audit_trusted_keys(&self) -> &[String] {
        self.texts("audit.trusted_keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_accessor_has_a_definition_of_its_kind() {
        let settings = Settings::default();
        assert_eq!(settings.audit_anchors(), ["git"]);
        assert!(settings.audit_git_ref().starts_with("refs/notes/"));
        assert!(settings.audit_push_remotes().is_empty() && settings.audit_trusted_keys().is_empty());
        assert_eq!(settings.audit_anchor_age_max(), Duration::from_secs(24 * 60 * 60));
        assert!(settings.audit_checkpoint_age() > Duration::ZERO && !settings.audit_key_file().is_empty());
    }
}
