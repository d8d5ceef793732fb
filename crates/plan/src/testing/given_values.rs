//! `testing.file(...)` and the like: what a test says of its host.

use std::fmt;

use allocative::Allocative;
use model::Code;
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::values::list_or_tuple::UnpackListOrTuple;
use starlark::values::none::NoneOr;
use starlark::values::tuple::UnpackTuple;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::given::{Given, PathGiven, PathKind, UserGiven};
use crate::operations::argument::{NumberOrText, checked_mode, given};

/// What a test says of its host, as a value.
#[derive(Debug, Clone, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct GivenValue {
    #[allocative(skip)]
    pub given: Given,
}

starlark_simple_value!(GivenValue);

impl fmt::Display for GivenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fact")
    }
}

#[starlark_value(type = "Fact")]
impl<'v> StarlarkValue<'v> for GivenValue {}

fn value(given: Given) -> GivenValue {
    GivenValue { given }
}

fn path(
    path: &str,
    kind: PathKind,
    mode: NoneOr<NumberOrText<'_>>,
    user: &str,
    group: &str,
) -> starlark::Result<GivenValue> {
    let usual = if kind == PathKind::Directory { "0755" } else { "0644" };
    let mode = checked_mode(given(mode)).map_err(|why| lang::fault(Code::PlanBadArgument, why, None))?;
    Ok(value(Given::Path(PathGiven {
        path: path.to_owned(),
        kind,
        mode: mode.unwrap_or_else(|| usual.to_owned()),
        user: user.to_owned(),
        group: group.to_owned(),
    })))
}

fn owned(list: UnpackListOrTuple<&str>) -> Vec<String> {
    list.items.into_iter().map(str::to_owned).collect()
}

fn named(kind: &'static str, key: &str, lines: Vec<String>) -> starlark::Result<GivenValue> {
    Ok(value(Given::Named(kind, key.to_owned(), lines)))
}

#[starlark_module]
pub(super) fn register(builder: &mut GlobalsBuilder) {
    /// Says that the host has a plain file.
    ///
    /// ```python
    /// facts = [testing.file("/etc/motd", content = "hello\n", mode = "600")]
    /// ```
    ///
    /// # Arguments
    /// * `path`: where it is
    /// * `content`: what is in it; a secret in it is `<secret NAME>`
    /// * `mode`: its mode; 644 unless given
    /// * `user`: its owner
    /// * `group`: its group
    fn file<'v>(
        #[starlark(require = pos)] path: &'v str,
        #[starlark(require = named, default = "")] content: &'v str,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = "root")] user: &'v str,
        #[starlark(require = named, default = "root")] group: &'v str,
    ) -> starlark::Result<GivenValue> {
        self::path(path, PathKind::File { content: content.to_owned() }, mode, user, group)
    }

    /// Says that the host has a directory, and that all below it has the same mode, owner and group.
    ///
    /// # Arguments
    /// * `path`: where it is
    /// * `mode`: its mode; 755 unless given
    /// * `user`: its owner
    /// * `group`: its group
    fn directory<'v>(
        #[starlark(require = pos)] path: &'v str,
        #[starlark(require = named, default = NoneOr::None)] mode: NoneOr<NumberOrText<'v>>,
        #[starlark(require = named, default = "root")] user: &'v str,
        #[starlark(require = named, default = "root")] group: &'v str,
    ) -> starlark::Result<GivenValue> {
        self::path(path, PathKind::Directory, mode, user, group)
    }

    /// Says that the host has a symbolic link.
    ///
    /// # Arguments
    /// * `path`: where it is
    /// * `target`: where it leads
    /// * `user`: its owner
    /// * `group`: its group
    fn link<'v>(
        #[starlark(require = pos)] path: &'v str,
        #[starlark(require = pos)] target: &'v str,
        #[starlark(require = named, default = "root")] user: &'v str,
        #[starlark(require = named, default = "root")] group: &'v str,
    ) -> starlark::Result<GivenValue> {
        self::path(path, PathKind::Link { target: target.to_owned() }, NoneOr::None, user, group)
    }

    /// Says that nothing is at a path.
    ///
    /// # Arguments
    /// * `path`: the path
    fn absent(#[starlark(require = pos)] path: &str) -> starlark::Result<GivenValue> {
        self::path(path, PathKind::Absent, NoneOr::None, "-", "-")
    }

    /// Says whether a package is installed.
    ///
    /// # Arguments
    /// * `name`: the package
    /// * `version`: its version; None where it is not installed
    /// * `upgrade`: whether the repositories have a newer one
    fn package<'v>(
        #[starlark(require = pos)] name: &'v str,
        #[starlark(default = NoneOr::None)] version: NoneOr<&'v str>,
        #[starlark(require = named, default = false)] upgrade: bool,
    ) -> starlark::Result<GivenValue> {
        let version = given(version).map(str::to_owned);
        Ok(value(Given::Package { name: name.to_owned(), version, is_old: upgrade }))
    }

    /// Says how a service of the host is.
    ///
    /// # Arguments
    /// * `name`: the service
    /// * `running`: whether it runs
    /// * `enabled`: whether it is started at boot
    /// * `exists`: whether there is one
    fn service(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = named, default = true)] running: bool,
        #[starlark(require = named, default = true)] enabled: bool,
        #[starlark(require = named, default = true)] exists: bool,
    ) -> starlark::Result<GivenValue> {
        let state = exists.then_some((running, enabled));
        Ok(value(Given::Service { name: name.to_owned(), state }))
    }

    /// Says what account the host has.
    ///
    /// # Arguments
    /// * `name`: the login
    /// * `exists`: whether there is one
    /// * `uid`: its number
    /// * `group`: its primary group; its own name unless given
    /// * `home`: its home directory; `/home/NAME` unless given
    /// * `shell`: its login shell
    /// * `comment`: its comment
    /// * `groups`: the groups that it is a member of
    #[expect(clippy::too_many_arguments, reason = "each one has its name")]
    fn user<'v>(
        #[starlark(require = pos)] name: &'v str,
        #[starlark(require = named, default = true)] exists: bool,
        #[starlark(require = named, default = 1000)] uid: i32,
        #[starlark(require = named, default = NoneOr::None)] group: NoneOr<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] home: NoneOr<&'v str>,
        #[starlark(require = named, default = "/bin/sh")] shell: &'v str,
        #[starlark(require = named, default = "")] comment: &'v str,
        #[starlark(require = named, default = UnpackListOrTuple::default())] groups: UnpackListOrTuple<
            &'v str,
        >,
    ) -> starlark::Result<GivenValue> {
        Ok(value(Given::User(UserGiven {
            name: name.to_owned(),
            exists,
            uid,
            group: given(group).unwrap_or(name).to_owned(),
            home: given(home).map_or_else(|| format!("/home/{name}"), str::to_owned),
            shell: shell.to_owned(),
            comment: comment.to_owned(),
            groups: owned(groups),
        })))
    }

    /// Says whether the host has a group.
    ///
    /// # Arguments
    /// * `name`: the group
    /// * `exists`: whether there is one
    /// * `gid`: its number
    fn group(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = named, default = true)] exists: bool,
        #[starlark(require = named, default = 1000)] gid: i32,
    ) -> starlark::Result<GivenValue> {
        Ok(value(Given::Group(name.to_owned(), exists.then_some(gid))))
    }

    /// Says what a command does on the host: one that `facts.command` runs, or a guard such as `unless`.
    ///
    /// # Arguments
    /// * `command`: the command, as the deploy writes it
    /// * `status`: its exit status
    /// * `stdout`: what it prints
    fn command<'v>(
        #[starlark(require = pos)] command: &'v str,
        #[starlark(require = named, default = 0)] status: i32,
        #[starlark(require = named, default = "")] stdout: &'v str,
    ) -> starlark::Result<GivenValue> {
        Ok(value(Given::Command(command.to_owned(), status, stdout.to_owned())))
    }
}

#[starlark_module]
pub(super) fn register_rest(builder: &mut GlobalsBuilder) {
    /// Says what the host is called, now and after a restart.
    ///
    /// # Arguments
    /// * `name`: the name
    fn hostname(#[starlark(require = pos)] name: &str) -> starlark::Result<GivenValue> {
        named("hostname_state", "", vec![format!("runs {name}"), format!("boots {name}")])
    }

    /// Says which time zone the host has.
    ///
    /// # Arguments
    /// * `name`: its name: `Europe/Vienna`
    fn timezone(#[starlark(require = pos)] name: &str) -> starlark::Result<GivenValue> {
        named("timezone_state", "", vec![name.to_owned()])
    }

    /// Says whether a kernel module is loaded.
    ///
    /// # Arguments
    /// * `name`: the module
    /// * `loaded`: whether it is
    fn module(
        #[starlark(require = pos)] name: &str,
        #[starlark(require = named, default = true)] loaded: bool,
    ) -> starlark::Result<GivenValue> {
        named("module_state", name, vec![if loaded { "loaded" } else { "absent" }.to_owned()])
    }

    /// Says whether something is mounted at a path.
    ///
    /// # Arguments
    /// * `path`: the path
    /// * `mounted`: whether something is
    fn mount(
        #[starlark(require = pos)] path: &str,
        #[starlark(require = named, default = true)] mounted: bool,
    ) -> starlark::Result<GivenValue> {
        named("mount_state", path, vec![if mounted { "mounted" } else { "absent" }.to_owned()])
    }

    /// Says which value a kernel setting has.
    ///
    /// # Arguments
    /// * `key`: its name
    /// * `value`: its value; None where the host has no such setting
    /// * `kept`: whether the file of settings has the same value
    fn sysctl<'v>(
        #[starlark(require = pos)] key: &'v str,
        #[starlark(default = NoneOr::None)] value: NoneOr<&'v str>,
        #[starlark(require = named, default = true)] kept: bool,
    ) -> starlark::Result<GivenValue> {
        Ok(self::value(Given::Sysctl(key.to_owned(), given(value).map(str::to_owned), kept)))
    }

    /// Says which value a setting of rc.conf(5) has.
    ///
    /// # Arguments
    /// * `name`: the setting
    /// * `value`: its value; None where it is not set
    fn sysrc<'v>(
        #[starlark(require = pos)] name: &'v str,
        #[starlark(default = NoneOr::None)] value: NoneOr<&'v str>,
    ) -> starlark::Result<GivenValue> {
        let line = given(value).map_or_else(|| "absent".to_owned(), |value| format!("= {value}"));
        named("sysrc_state", name, vec![line])
    }

    /// Says which keys an account can be logged into with.
    ///
    /// # Arguments
    /// * `user`: the login
    /// * `keys`: the lines of its file of keys
    fn authorized_keys<'v>(
        #[starlark(require = pos)] user: &'v str,
        #[starlark(require = pos)] keys: UnpackListOrTuple<&'v str>,
    ) -> starlark::Result<GivenValue> {
        named("keys_state", user, owned(keys))
    }

    /// Says what is in a crontab.
    ///
    /// # Arguments
    /// * `lines`: its lines
    /// * `user`: whose it is, as the deploy writes it; any unless given
    fn crontab<'v>(
        #[starlark(require = pos)] lines: UnpackListOrTuple<&'v str>,
        #[starlark(require = named, default = "")] user: &'v str,
    ) -> starlark::Result<GivenValue> {
        named("cron_state", user, owned(lines))
    }

    /// Says what the host answers to one question, word by word, where no other function of `testing` can.
    /// A test that fails for lack of it prints the call.
    ///
    /// # Arguments
    /// * `question`: its words
    /// * `says`: what the host prints; None where there is no such thing
    fn answer<'v>(
        #[starlark(args)] question: UnpackTuple<&'v str>,
        #[starlark(require = named, default = NoneOr::None)] says: NoneOr<&'v str>,
    ) -> starlark::Result<GivenValue> {
        let question = question.items.into_iter().map(str::to_owned).collect();
        Ok(value(Given::Answer(question, given(says).map(str::to_owned))))
    }
}
