//! `[respond]` and `[drill]`: how an emergency is run.

use super::Settings;

/// When questions may be answered without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unattended {
    /// Never.
    Never,
    /// In exercises.
    Exercise,
    /// In exercises and emergencies.
    Always,
}

impl Settings {
    /// Returns how many hosts of each platform go before all others.
    pub fn respond_canaries(&self) -> usize {
        usize::try_from(self.whole("respond.canaries")).unwrap_or(usize::MAX)
    }

    /// Returns how many hosts each later wave has.
    pub fn respond_wave_hosts(&self) -> usize {
        usize::try_from(self.whole("respond.wave_hosts")).unwrap_or(usize::MAX)
    }

    /// Returns when `--yes` counts.
    pub fn respond_unattended(&self) -> Unattended {
        match self.text("respond.unattended") {
            "always" => Unattended::Always,
            "exercise" => Unattended::Exercise,
            // The only other word that is let through.
            _ => Unattended::Never,
        }
    }

    /// Returns where reports are written.
    pub fn respond_reports(&self) -> &str {
        self.text("respond.reports")
    }

    /// Returns the program that brings up a throw-away fleet, with its arguments; empty = there is none.
    pub fn drill_fleet_command(&self) -> &[String] {
        self.texts("drill.fleet_command")
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;

    #[test]
    fn every_accessor_has_a_definition_of_its_kind() {
        let settings = Settings::default();
        assert_eq!((settings.respond_canaries(), settings.respond_wave_hosts()), (1, 50));
        assert_eq!(settings.respond_unattended(), Unattended::Never);
        assert_eq!(settings.respond_reports(), "reports");
        assert!(settings.drill_fleet_command().is_empty());
        let (settings, problems) = read("[respond]\nunattended = \"exercise\"\n", "ifrit.toml");
        assert_eq!((problems, settings.respond_unattended()), (Vec::new(), Unattended::Exercise));
    }
}
