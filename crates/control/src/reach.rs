//! The way to each host: what the SSH configuration and known_hosts add to the inventory.
//!
//! The inventory decides where it says something, then the SSH configuration, then the settings. Of
//! host keys those of the inventory count, else the recorded ones, else those of known_hosts; a key
//! that known_hosts marks as revoked never counts.

use std::collections::HashMap;
use std::path::PathBuf;

use fleet::{
    Access, AgentChoice, Asked, Escalation, Jump, JumpSpec, KnownHosts, LoginKeys, Resolved, SshConfig,
    Target, TargetConnection, Trust, host_key_name, read_ssh_config,
};
use jiff::Timestamp;
use model::{Address, Code, Connection, Host, HostKey, HostName, Place, Problem, UserName};
use store::ClientScope;

use crate::error::Error;
use crate::session::Session;

/// The port where nobody says one; an inventory that says it leaves the choice to the configuration.
const SSH_PORT: u16 = 22;
/// How often a jump host may itself be behind another one.
const JUMP_DEPTH_MAX: usize = 8;

/// Targets with all there is to know of the way to them.
pub(crate) struct Reached {
    /// One per host, in order.
    pub targets: Vec<Target>,
    /// What is wrong with the files themselves.
    pub problems: Vec<Problem>,
}

/// Joins hosts with their keys, and with what the SSH configuration and known_hosts say of them.
pub(crate) async fn reach(session: &Session, hosts: &[&Host]) -> Result<Reached, Error> {
    let recorded = session.store.trusted_host_keys(&ClientScope::All).await?;
    let recorded = recorded.into_iter().collect();
    let mut problems = Vec::new();
    let ways = Ways::read(session, recorded, &mut problems);
    let targets: Vec<_> = hosts.iter().map(|host| ways.target(host)).collect();
    let is_ssh = |target: &Target| matches!(target.connection, TargetConnection::Ssh { .. });
    if !targets.iter().any(is_ssh) {
        problems.clear();
    }
    Ok(Reached { targets, problems })
}

struct Ways<'s> {
    session: &'s Session,
    config: SshConfig,
    known: KnownHosts,
    recorded: HashMap<HostName, Vec<HostKey>>,
    now: Timestamp,
    default_user: &'s str,
    uses_agent: bool,
    escalation: Escalation,
}

impl<'s> Ways<'s> {
    fn read(
        session: &'s Session,
        recorded: HashMap<HostName, Vec<HostKey>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let (workspace, home) = (&session.workspace, session.surroundings.home.as_deref());
        let settings = &workspace.settings;
        let mut config = SshConfig::default();
        for path in settings.ssh_config() {
            let (read, its_problems) = read_ssh_config(&workspace.resolve(path, home), home);
            config.append(read);
            problems.extend(its_problems);
        }
        let paths: Vec<PathBuf> =
            settings.ssh_known_hosts().iter().map(|path| workspace.resolve(path, home)).collect();
        let (known, its_problems) = KnownHosts::read(&paths);
        problems.extend(its_problems);
        Self {
            session,
            config,
            known,
            recorded,
            now: session.clock.now(),
            default_user: settings.ssh_user(),
            uses_agent: settings.ssh_uses_agent(),
            escalation: match settings.ssh_become() {
                "sudo" => Escalation::Sudo,
                "doas" => Escalation::Doas,
                _ => Escalation::None,
            },
        }
    }

    fn target(&self, host: &Host) -> Target {
        let Connection::Ssh { address, port, user, .. } = &host.connection else {
            let connection = TargetConnection::Local;
            return Target { host: host.name.clone(), connection, access: Access::default() };
        };
        let found = self.resolve(address.as_str(), user.as_ref().map(UserName::as_str));
        let port = pick_port(Some(*port), found.port);
        let (pinned, trust, fault) = self.keys(Some(host), &found, port);
        let (jumps, way_fault) = match self.hops(&found.jumps, 0) {
            Ok(jumps) => (jumps, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let refused = found.refused.clone().or_else(|| fault.or(way_fault).map(refusal));
        Target {
            host: host.name.clone(),
            connection: TargetConnection::Ssh {
                address: Address::new(found.host_name.as_str()),
                port,
                user: UserName::new(found.user.as_str()),
                pinned,
            },
            access: Access { jumps, trust, login: self.login(found), escalation: self.escalation, refused },
        }
    }

    fn resolve(&self, name: &str, user: Option<&str>) -> Resolved {
        let surroundings = &self.session.surroundings;
        self.config.resolve(&Asked {
            name,
            user,
            default_user: self.default_user,
            home: surroundings.home.as_deref(),
            local_user: &surroundings.person,
        })
    }

    /// Finds the hops of a way, first one first. Only the first one's own way counts, as with ssh:
    /// each later one is reached through the one before it.
    fn hops(&self, specs: &[JumpSpec], depth: usize) -> Result<Vec<Jump>, String> {
        let mut hops = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let (jump, its_way) = self.jump(spec)?;
            if index == 0 && !its_way.is_empty() {
                if depth >= JUMP_DEPTH_MAX {
                    let name = spec.host.escape_debug();
                    return Err(format!(
                        "jump host {name} is reached through too many others, or through itself"
                    ));
                }
                hops = self.hops(&its_way, depth + 1)?;
            }
            hops.push(jump);
        }
        Ok(hops)
    }

    /// Looks a jump host up: a declared host of that name or address, or what the configuration says.
    fn jump(&self, spec: &JumpSpec) -> Result<(Jump, Vec<JumpSpec>), String> {
        let declared =
            self.session.workspace.inventory.hosts.iter().find_map(|host| match &host.connection {
                Connection::Ssh { address, port, user, .. }
                    if host.name.as_str() == spec.host || address.as_str() == spec.host =>
                {
                    Some((host, address, *port, user.as_ref()))
                }
                _ => None,
            });
        let name = declared.map_or(spec.host.as_str(), |(_, address, ..)| address.as_str());
        let user = spec.user.as_deref().or(declared.and_then(|(.., user)| user.map(UserName::as_str)));
        let mut found = self.resolve(name, user);
        if let Some(problem) = &found.refused {
            return Err(format!("on the way, {}", problem.message));
        }
        let port = spec.port.unwrap_or_else(|| pick_port(declared.map(|(_, _, port, _)| port), found.port));
        let (pinned, trust, fault) = self.keys(declared.map(|(host, ..)| host), &found, port);
        if let Some(fault) = fault {
            return Err(fault);
        }
        let its_way = std::mem::take(&mut found.jumps);
        let jump = Jump {
            name: spec.host.clone(),
            address: Address::new(found.host_name.as_str()),
            port,
            user: UserName::new(found.user.as_str()),
            pinned,
            trust,
            login: self.login(found),
        };
        Ok((jump, its_way))
    }

    /// Returns the keys that count for a host, who vouches for others, and why it must not be contacted.
    fn keys(
        &self,
        declared: Option<&Host>,
        found: &Resolved,
        port: u16,
    ) -> (Vec<HostKey>, Trust, Option<String>) {
        let name = match &found.host_key_alias {
            Some(alias) => alias.clone(),
            None => host_key_name(&found.host_name, port),
        };
        let known = self.known.find(&name);
        let in_inventory = declared.and_then(|host| match &host.connection {
            Connection::Ssh { host_keys, .. } if !host_keys.is_empty() => Some(host_keys),
            _ => None,
        });
        let recorded =
            || declared.and_then(|host| self.recorded.get(&host.name)).filter(|keys| !keys.is_empty());
        let (pinned, authorities) = match in_inventory.or_else(recorded) {
            Some(keys) => (keys.clone(), Vec::new()),
            None => (known.keys, known.authorities),
        };
        let name = found.host_key_alias.as_ref().unwrap_or(&found.host_name).clone();
        let trust = Trust { authorities, revoked: known.revoked, name, now: self.now };
        let fault = known.refused.map(|why| format!("a line of known_hosts is not understood: {why}"));
        (pinned, trust, fault)
    }

    fn login(&self, found: Resolved) -> LoginKeys {
        LoginKeys {
            agent: if self.uses_agent { found.agent } else { AgentChoice::Off },
            key_files: found.identity_files,
            certificate_files: found.certificate_files,
            is_limited: found.identities_only,
        }
    }
}

fn pick_port(declared: Option<u16>, configured: Option<u16>) -> u16 {
    declared.filter(|port| *port != SSH_PORT).or(configured).unwrap_or(SSH_PORT)
}

fn refusal(why: String) -> Problem {
    Problem::new(Code::CollectSshConfig, Place::Nowhere, why)
        .with_hint("mend that line, or leave the file out in the settings `ssh.config` or `ssh.known_hosts`")
}

/// Returns a login that is not root and stays so.
pub(crate) fn plain_login(target: &Target) -> Option<UserName> {
    match (&target.connection, target.access.escalation) {
        (TargetConnection::Ssh { user, .. }, Escalation::None) if user.as_str() != "root" => {
            Some(user.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OnFaultyWorkspace, Surroundings, SystemClock};

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzqxq5m7Fhcvx7mCw3eEfMMz4BHUjhqBZK8xv2nVd4K";

    const INVENTORY: &str = r#"
acme = client("acme")
host("bastion", client = acme, address = "bastion.example.org", user = "hop", port = 2222)
host("web1", client = acme, address = "web1", host_keys = ["KEY"])
host("db1", client = acme, address = "db1", user = "declared")
host("odd", client = acme, address = "odd")
host("loop", client = acme, address = "loop")
host("here", client = acme, local = True)
"#;
    const CONFIG: &str = "\
Host web1
  HostName web1.lan
  ProxyJump bastion
  IdentityFile ~/.ssh/web
Host db1
  User configured
  Port 2200
  HostKeyAlias database
  ProxyJump other@far:23
Host odd
  ProxyCommand nc %h %p
Host loop
  ProxyJump loop
";

    /// Reaches every host of the inventory with some lines of settings.
    async fn targets(settings: &str, known_hosts: &str) -> (tempfile::TempDir, Vec<Target>, Vec<Problem>) {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("invariant: it is in a directory"))
                .expect("a directory");
            std::fs::write(path, text).expect("a file");
        };
        write("ops/ifrit.toml", settings);
        write("ops/inventory/all.star", &INVENTORY.replace("KEY", A));
        write("home/.ssh/config", CONFIG);
        write("home/.ssh/known_hosts", known_hosts);
        let surroundings =
            Surroundings { home: Some(directory.path().join("home")), ..Surroundings::default() };
        let root = directory.path().join("ops");
        let opened =
            Session::open(&root, surroundings, Box::new(SystemClock), OnFaultyWorkspace::Refuse).await;
        let session = opened.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        let hosts: Vec<_> = session.workspace.inventory.hosts.iter().collect();
        let reached = reach(&session, &hosts).await.expect("the database is there");
        let Reached { targets, problems } = reached;
        session.close().await;
        (directory, targets, problems)
    }

    fn find<'t>(targets: &'t [Target], name: &str) -> &'t Target {
        targets.iter().find(|target| target.host.as_str() == name).expect("a declared host")
    }

    fn shown(target: &Target) -> String {
        let TargetConnection::Ssh { address, port, user, pinned } = &target.connection else {
            return "local".to_owned();
        };
        format!(
            "{user}@{address}:{port} {}",
            pinned.iter().map(HostKey::as_str).collect::<Vec<_>>().join(",")
        )
    }

    #[tokio::test]
    async fn inventory_goes_before_configuration_and_that_before_settings() {
        let known = format!("web1.lan {B}\ndatabase {B}\n[bastion.example.org]:2222 {B}\n[far]:23 {A}\n");
        let (home, targets, problems) = targets("[ssh]\nbecome = \"doas\"\nuser = \"usual\"\n", &known).await;
        assert_eq!(problems, []);
        let (web1, db1) = (find(&targets, "web1"), find(&targets, "db1"));
        assert_eq!(shown(web1), format!("usual@web1.lan:22 {A}"));
        assert_eq!(shown(db1), format!("declared@db1:2200 {B}"));
        assert_eq!(shown(find(&targets, "here")), "local");
        assert_eq!(web1.access.login.key_files, [home.path().join("home/.ssh/web")]);
        assert_eq!(web1.access.escalation, Escalation::Doas);
        // A declared jump host brings its own port, user and key; another one what the files say.
        let hop = &web1.access.jumps[0];
        assert_eq!((hop.address.as_str(), hop.port, hop.user.as_str()), ("bastion.example.org", 2222, "hop"));
        assert_eq!(hop.pinned, [HostKey::new(B)]);
        let hop = &db1.access.jumps[0];
        assert_eq!((hop.address.as_str(), hop.port, hop.user.as_str()), ("far", 23, "other"));
        assert_eq!(hop.pinned, [HostKey::new(A)]);
    }

    #[tokio::test]
    async fn what_cannot_be_done_refuses_its_host_alone() {
        let (_home, targets, _) = targets("", &format!("@strange db1,database {A}\n")).await;
        let why =
            |name: &str| find(&targets, name).access.refused.as_ref().map(|problem| problem.message.clone());
        assert!(why("odd").expect("refused").contains("ProxyCommand"));
        assert!(why("loop").expect("refused").contains("through itself"));
        assert!(why("db1").expect("refused").contains("@strange"));
        assert_eq!(why("web1"), None);
        assert_eq!(why("bastion"), None);
    }

    #[tokio::test]
    async fn revoked_keys_and_authorities_come_along_and_files_can_be_left_out() {
        let known = format!("@cert-authority * {B}\n@revoked * {A}\n");
        let (_home, all, _) = targets("", &known).await;
        let (web1, db1) = (&find(&all, "web1").access.trust, &find(&all, "db1").access.trust);
        assert_eq!((web1.authorities.len(), web1.revoked.len()), (0, 1), "the inventory pins a key");
        assert_eq!((db1.authorities.len(), db1.revoked.len(), db1.name.as_str()), (1, 1, "database"));
        let (_home, none, _) = targets("[ssh]\nconfig = []\nknown_hosts = []\n", &known).await;
        assert_eq!(shown(find(&none, "db1")), "declared@db1:22 ");
        assert_eq!(find(&none, "db1").access.trust.revoked, []);
    }
}
