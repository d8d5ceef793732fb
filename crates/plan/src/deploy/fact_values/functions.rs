//! The functions of the namespace `facts`.

use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::starlark_module;

use super::{
    CommandValue, FileValue, OsValue, PackageValue, ServiceFact, TextValue, Told, UserValue, os_question,
};
use crate::facts::Question;
use crate::sh;

/// One function for each kind of question.
#[starlark_module]
#[starlark_types(OsValue as Os, FileValue as File, CommandValue as Command, TextValue as Text, PackageValue as Package, ServiceFact as ServiceState, UserValue as User)]
pub(crate) fn facts_namespace(builder: &mut GlobalsBuilder) {
    /// Asks for the operating system: `.id` and `.version`.
    fn os<'v>(eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<OsValue> {
        Ok(OsValue(Told::ask(eval, &os_question())?))
    }

    /// Asks for the kernel: `.text` is what `uname -s -r -m` prints.
    fn kernel<'v>(eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<TextValue> {
        let told = Told::ask(eval, &Question::new(&sh::RUN_COMMAND, ["uname -s -r -m"]))?;
        Ok(TextValue(match told {
            Told::Text(text) => Told::Text(text.split_once('\n').map_or("", |(_, rest)| rest).to_owned()),
            told => told,
        }))
    }

    /// Asks for a path: `.exists`, `.is_file`, `.is_directory`, `.is_link`, `.mode`, `.user`, `.group`, `.sha256`.
    ///
    /// # Arguments
    /// * `path`: absolute
    fn file<'v>(
        #[starlark(require = pos)] path: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<FileValue> {
        Ok(FileValue(Told::ask(eval, &Question::new(&sh::FILE_STATE, [path, "mugc"]))?))
    }

    /// Asks for the content of a plain file: `.text`, at most 256 KiB; None where there is none.
    ///
    /// # Arguments
    /// * `path`: absolute
    fn content<'v>(
        #[starlark(require = pos)] path: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<TextValue> {
        Ok(TextValue(Told::ask(eval, &Question::new(&sh::SHOW_FILE, [path]))?))
    }

    /// Runs a command, which must change nothing: `.status` and `.stdout`.
    ///
    /// # Arguments
    /// * `command`: sh code
    fn command<'v>(
        #[starlark(require = pos)] command: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<CommandValue> {
        Ok(CommandValue(Told::ask(eval, &Question::new(&sh::RUN_COMMAND, [command]))?))
    }

    /// Asks for a package: `.installed` and `.version`.
    ///
    /// # Arguments
    /// * `name`: its name for apk, dpkg or pkg
    fn package<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<PackageValue> {
        let question = Question::new(&sh::PACKAGE_STATE, ["auto", "version", name]);
        Ok(PackageValue(Told::ask(eval, &question)?))
    }

    /// Asks for a service: `.exists`, `.running` and `.enabled`.
    ///
    /// # Arguments
    /// * `name`: its name for the host's service manager
    fn service<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<ServiceFact> {
        let question = Question::new(&sh::SERVICE_STATE, ["auto", name, "re", ""]);
        Ok(ServiceFact(Told::ask(eval, &question)?))
    }

    /// Asks for an account: `.exists`, `.uid`, `.home` and `.shell`.
    ///
    /// # Arguments
    /// * `name`: the login
    fn user<'v>(
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<UserValue> {
        Ok(UserValue(Told::ask(eval, &Question::new(&sh::USER_STATE, [name, "uhs", ""]))?))
    }

    /// Asks for the host's name: `.text`.
    fn hostname<'v>(eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<TextValue> {
        let told = Told::ask(eval, &Question::new(&sh::HOSTNAME_STATE, ["/etc/hostname"]))?;
        Ok(TextValue(match told {
            Told::Text(text) => Told::Text(text.lines().next().unwrap_or_default().to_owned()),
            told => told,
        }))
    }

    /// Asks for a kernel setting: `.text`; None where there is none.
    ///
    /// # Arguments
    /// * `key`: its name: `net.ipv4.ip_forward`
    fn sysctl<'v>(
        #[starlark(require = pos)] key: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<TextValue> {
        Ok(TextValue(Told::ask(eval, &Question::new(&sh::SYSCTL_STATE, [key, "", ""]))?))
    }
}
