//! Lists of packages and upgrades of everything: `apt.update`, `apk.upgrade`, `pkg.autoremove` and the like;
//! FreeBSD's base system; what Alpine's lbu saves. One file for each program.

pub(super) mod apk;
pub(super) mod apt;
pub(super) mod freebsd_update;
pub(super) mod lbu;
pub(super) mod pkg;

use std::time::Duration;

use model::Risk;

use super::Area;
use super::argument::checked_name;
use super::goal::{Goal, Named};
use crate::facts::Question;
use crate::sh::{self, Script};

/// How long an upgrade may take.
const TIME_LIMIT: Duration = Duration::from_secs(3600);
/// What fetching lists changes.
const LISTS: Area = Area::Named("lists");

/// An upgrade of everything: what would change is asked, and nothing is left afterwards.
fn upgrade<N: Named>(manager: &str, how: &str, jail: &str, repository: &str, force: &str) -> Goal<N> {
    let subject = if jail.is_empty() { manager.to_owned() } else { format!("{manager} in the jail {jail}") };
    let question = Question::new(&sh::PENDING_STATE, [manager, how, jail, repository]);
    let action = Script::call(&sh::UPGRADE_ALL, &[manager, how, jail, repository, force]);
    let repositories = ["/etc/apk", "/etc/apt", "/usr/local/etc/pkg"];
    let repositories = repositories.into_iter().map(|path| Area::Tree(path.to_owned()));
    Goal::new(subject, action)
        .asks(question, [""])
        .touches(Area::of_packages())
        .depends(repositories.chain([Area::Packages, LISTS]))
        .risks([Risk::Restart])
        .within(TIME_LIMIT)
}

fn update<N: Named>(manager: &str, jail: &str, force: &str, repository: &str) -> Goal<N> {
    let subject = if jail.is_empty() { manager.to_owned() } else { format!("{manager} in the jail {jail}") };
    let action = Script::call(&sh::UPDATE_LISTS, &[manager, jail, force, repository]);
    Goal::new(subject, action).touches([LISTS]).within(TIME_LIMIT)
}

fn word(argument: &str, value: Option<&str>) -> Result<String, String> {
    value.map(|value| checked_name(argument, value)).transpose().map(Option::unwrap_or_default)
}
