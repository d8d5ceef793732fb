//! `[incident]`: until when a host must be patched, and how fast the team wants to be.

use std::time::Duration;

use super::Settings;

const MINUTE_SECS: u64 = 60;
const HOUR_SECS: u64 = 60 * MINUTE_SECS;
const DAY_SECS: u64 = 24 * HOUR_SECS;

impl Settings {
    /// Returns how long a host may stay vulnerable.
    pub fn incident_deadline(&self) -> Duration {
        Duration::from_secs(self.whole("incident.deadline_days") * DAY_SECS)
    }

    /// Returns how long a host may stay vulnerable to what is being exploited.
    pub fn incident_deadline_exploited(&self) -> Duration {
        Duration::from_secs(self.whole("incident.deadline_exploited_hours") * HOUR_SECS)
    }

    /// Returns how long an emergency should take.
    pub fn incident_target(&self) -> Duration {
        Duration::from_secs(self.whole("incident.target_minutes") * MINUTE_SECS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::read;

    #[test]
    fn limits_are_read_in_their_units() {
        let of = |settings: &Settings| {
            let hours = |limit: Duration| limit.as_secs() / HOUR_SECS;
            let target = settings.incident_target().as_secs() / MINUTE_SECS;
            (hours(settings.incident_deadline()), hours(settings.incident_deadline_exploited()), target)
        };
        assert_eq!(of(&Settings::default()), (7 * 24, 48, 15));
        let text = "[incident]\ndeadline_days = 3\ndeadline_exploited_hours = 12\ntarget_minutes = 30\n";
        let (settings, problems) = read(text, "ifrit.toml");
        assert_eq!((of(&settings), problems), ((3 * 24, 12, 30), vec![]));
    }
}
