//! Every environment variable that ifrit reads, in one place.

use std::env;
use std::fmt::Write as _;
use std::path::PathBuf;

use control::Surroundings;
use control::settings::Origin;

/// A variable and what it does.
struct Variable {
    name: &'static str,
    meaning: &'static str,
}

pub const WORKSPACE: &str = "IFRIT_WORKSPACE";
pub const DATABASE: &str = "IFRIT_DATABASE";
/// Where the program of `drill.fleet_command` finds this ifrit; set for it, never read.
pub const BINARY: &str = "IFRIT_BINARY";
const NO_COLOR: &str = "NO_COLOR";
const HOME: &str = "HOME";
const AGENT_SOCKET: &str = "SSH_AUTH_SOCK";
const USER: &str = "USER";

/// What the variables of ifrit itself begin with; programs of others never get them.
const OWN: &str = "IFRIT_";

const SECRET: &str = "IFRIT_SECRET_NAME";

const VARIABLES: [Variable; 7] = [
    Variable { name: WORKSPACE, meaning: "The workspace directory, where `-C` is not given." },
    Variable {
        name: DATABASE,
        meaning: "Overrides the setting `database`; `--database` overrides it in turn.",
    },
    Variable { name: NO_COLOR, meaning: "Any value: no colours (<https://no-color.org>)." },
    Variable { name: HOME, meaning: "Where `~/` in paths of settings and of the SSH configuration leads." },
    Variable {
        name: AGENT_SOCKET,
        meaning: "The SSH agent that is asked for keys, if the setting `ssh.agent` is on.",
    },
    Variable {
        name: USER,
        meaning: "Who is recorded as having trusted a host key or begun a run; who made a plan, where git's \
                  `user.email` is no declared person's; `%u` in the SSH configuration.",
    },
    Variable {
        name: SECRET,
        meaning: "The value of the secret NAME of deploys (capitals; `_` for everything else but digits), where the \
                  setting `secrets.source` is `env`.",
    },
];

/// Reads what the use cases need to know of the process's surroundings.
pub fn surroundings(database_flag: Option<&str>) -> Surroundings {
    let from_flag = database_flag.map(|url| (url.to_owned(), Origin::Flag("--database")));
    let from_environment =
        || Some((env::var(DATABASE).ok().filter(|it| !it.is_empty())?, Origin::Environment(DATABASE)));
    Surroundings {
        home: env::var_os(HOME).map(PathBuf::from),
        agent_socket: env::var_os(AGENT_SOCKET).map(PathBuf::from),
        database: from_flag.or_else(from_environment),
        person: env::var(USER).unwrap_or_else(|_| "unknown".to_owned()),
        environment: env::vars_os()
            .filter(|(name, _)| !name.as_encoded_bytes().starts_with(OWN.as_bytes()))
            .collect(),
    }
}

/// Reads a variable that holds a secret: of a channel, by the settings, or of a deploy.
pub fn secret(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Says whether colours are wanted at all.
pub fn wants_color() -> bool {
    env::var_os(NO_COLOR).is_none_or(|value| value.is_empty())
}

/// Returns docs/reference/environment.md.
pub fn render_reference() -> String {
    let mut text = String::from("# Environment variables\n\n| variable | meaning |\n|---|---|\n");
    for variable in &VARIABLES {
        let _ = writeln!(text, "| `{}` | {} |", variable.name, variable.meaning);
    }
    text.push_str("\nBesides these, the variables that `[notify.NAME]` names for secrets of channels.\n");
    text.push_str("\nA scan never passes any of them on to a host: commands there run with an empty environment\nbut for a fixed `PATH`, `LC_ALL=C` and `HOME=/`.\n");
    text
}
