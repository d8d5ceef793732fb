//! `[deploy]`, `[approval]` and `[secrets]`: what applying plans needs to know.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Risk;

use super::{Settings, Value};

/// Where deploys find their secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlace {
    /// Sealed in the database.
    Sealed,
    /// A file for each.
    File,
    /// An environment variable for each.
    Environment,
    /// What a command prints.
    Command,
}

impl Settings {
    /// Returns how many hosts a plan is applied to at once.
    pub fn deploy_parallel(&self) -> usize {
        usize::try_from(self.whole("deploy.parallel")).unwrap_or(usize::MAX)
    }

    /// Returns the time for all steps of one host.
    pub fn deploy_host_timeout(&self) -> Duration {
        Duration::from_secs(self.whole("deploy.host_timeout_secs"))
    }

    /// Returns how many hosts of a plan may fail, in percent, before no further ones are started.
    pub fn deploy_failures_percent_max(&self) -> u8 {
        u8::try_from(self.whole("deploy.failures_percent_max")).unwrap_or(100)
    }

    /// Returns the program that says after each wave whether its hosts are well, with its arguments; empty =
    /// nothing is asked.
    pub fn deploy_health_command(&self) -> &[String] {
        self.texts("deploy.health_command")
    }

    /// Returns the classes of risk that need a second person's approval.
    pub fn approval_four_eyes(&self) -> BTreeSet<Risk> {
        let needs = |risk: &Risk| {
            let value = match risk {
                Risk::Access => self.value("approval.access"),
                Risk::Data => self.value("approval.data"),
                Risk::Reboot => self.value("approval.reboot"),
                Risk::Restart => self.value("approval.restart"),
                Risk::Unknown => self.value("approval.unknown"),
            };
            matches!(value, Value::Text(word) if word == "four-eyes")
        };
        Risk::ALL.into_iter().filter(needs).collect()
    }

    /// Returns how long an approval counts.
    pub fn approval_lifetime(&self) -> Duration {
        Duration::from_secs(self.whole("approval.expires_hours") * 60 * 60)
    }

    /// Returns where deploys find their secrets.
    pub fn secrets_source(&self) -> SecretPlace {
        match self.text("secrets.source") {
            "file" => SecretPlace::File,
            "env" => SecretPlace::Environment,
            "command" => SecretPlace::Command,
            _ => SecretPlace::Sealed,
        }
    }

    /// Returns the directory of secret files, as written (`~/` not yet expanded).
    pub fn secrets_directory(&self) -> &str {
        self.text("secrets.directory")
    }

    /// Returns the program that prints a secret, with its arguments.
    pub fn secrets_command(&self) -> &[String] {
        self.texts("secrets.command")
    }

    /// Returns the file of the key of secrets, as written (`~/` not yet expanded).
    pub fn secrets_key_file(&self) -> &str {
        self.text("secrets.key_file")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read;

    #[test]
    fn every_accessor_has_a_definition_of_its_kind() {
        let settings = Settings::default();
        assert_eq!((settings.deploy_parallel(), settings.deploy_failures_percent_max()), (64, 20));
        assert!(settings.deploy_host_timeout() > Duration::ZERO);
        assert!(settings.approval_lifetime() > Duration::ZERO);
        assert_eq!(settings.approval_four_eyes(), BTreeSet::new());
        assert_eq!(settings.secrets_source(), SecretPlace::Sealed);
        assert!(!settings.secrets_directory().is_empty() && !settings.secrets_key_file().is_empty());
        assert!(settings.secrets_command().is_empty() && settings.deploy_health_command().is_empty());
    }

    #[test]
    fn risks_and_sources_are_read() {
        let text =
            "[approval]\naccess = \"four-eyes\"\nreboot = \"four-eyes\"\n[secrets]\nsource = \"env\"\n";
        let (settings, problems) = read(text, "ifrit.toml");
        assert_eq!(problems, []);
        assert_eq!(settings.approval_four_eyes(), BTreeSet::from([Risk::Access, Risk::Reboot]));
        assert_eq!(settings.secrets_source(), SecretPlace::Environment);
    }
}
