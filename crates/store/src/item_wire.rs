//! The body of an item as JSON: a version and an object whose fields depend on the kind, which
//! stands in a column of its own:
//!
//! ```json
//! [1, {"manager": "openrc", "name": "sshd", "enabled": true, "running": true}]
//! ```

use jiff::Timestamp;
use model::{
    Account, AccountGroup, AuthorizedKey, CronEntry, Listener, ObservedService, PackageName, PrivilegeRule,
    RebootNeed, ServiceManager, Software, SoftwareKind, StaleProcess, Transport, UserName,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::item::{Item, ItemKind};

/// The version that this binary writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct AccountBody {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

#[derive(Serialize, Deserialize)]
struct KeyBody {
    account: String,
    fingerprint: String,
    algorithm: String,
    comment: String,
    options: String,
}

#[derive(Serialize, Deserialize)]
struct BootBody {
    at_us: i64,
}

#[derive(Serialize, Deserialize)]
struct CronBody {
    file: String,
    line: String,
}

#[derive(Serialize, Deserialize)]
struct GroupBody {
    name: String,
    gid: u32,
    members: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct JailBody {
    name: String,
    path: String,
}

#[derive(Serialize, Deserialize)]
struct ListenerBody {
    transport: TransportBody,
    address: std::net::IpAddr,
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    package: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum TransportBody {
    Tcp,
    Udp,
}

#[derive(Serialize, Deserialize)]
struct PrivilegeBody {
    file: String,
    rule: String,
}

#[derive(Serialize, Deserialize)]
struct RebootBody {
    needed: bool,
    why: String,
}

#[derive(Serialize, Deserialize)]
struct ServiceBody {
    manager: ManagerBody,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<bool>,
}

#[derive(Serialize, Deserialize)]
enum ManagerBody {
    #[serde(rename = "openrc")]
    OpenRc,
    #[serde(rename = "rc.d")]
    RcD,
    #[serde(rename = "runit")]
    Runit,
    #[serde(rename = "systemd")]
    Systemd,
}

#[derive(Serialize, Deserialize)]
struct SoftwareBody {
    kind: String,
    name: String,
    version: String,
    purl: String,
    path: String,
}

#[derive(Serialize, Deserialize)]
struct StaleBody {
    process: String,
    file: String,
    pid: u32,
}

/// Writes an item as JSON.
pub(crate) fn write_item(item: &Item) -> String {
    match item.clone() {
        Item::Account(Account { name, uid, gid, home, shell }) => {
            write(&AccountBody { name: name.as_str().to_owned(), uid, gid, home, shell })
        }
        Item::AuthorizedKey(AuthorizedKey { account, fingerprint, algorithm, comment, options }) => {
            let account = account.as_str().to_owned();
            write(&KeyBody { account, fingerprint, algorithm, comment, options })
        }
        Item::Boot(at) => write(&BootBody { at_us: at.as_microsecond() }),
        Item::Cron(CronEntry { file, line }) => write(&CronBody { file, line }),
        Item::Group(AccountGroup { name, gid, members }) => write(&GroupBody { name, gid, members }),
        Item::Jail { name, path } => write(&JailBody { name, path }),
        Item::Listener(Listener { transport, address, port, process, package }) => write(&ListenerBody {
            transport: match transport {
                Transport::Tcp => TransportBody::Tcp,
                Transport::Udp => TransportBody::Udp,
            },
            address,
            port,
            process,
            package: package.map(|package| package.as_str().to_owned()),
        }),
        Item::Privilege(PrivilegeRule { file, rule }) => write(&PrivilegeBody { file, rule }),
        Item::Reboot(RebootNeed { is_needed, why }) => write(&RebootBody { needed: is_needed, why }),
        Item::Service(ObservedService { manager, name, is_enabled, is_running }) => write(&ServiceBody {
            manager: match manager {
                ServiceManager::OpenRc => ManagerBody::OpenRc,
                ServiceManager::RcD => ManagerBody::RcD,
                ServiceManager::Runit => ManagerBody::Runit,
                ServiceManager::Systemd => ManagerBody::Systemd,
            },
            name,
            enabled: is_enabled,
            running: is_running,
        }),
        Item::Software(Software { kind, name, version, purl, path }) => {
            write(&SoftwareBody { kind: kind.as_str().to_owned(), name, version, purl, path })
        }
        Item::StaleProcess(StaleProcess { process, file, pid }) => write(&StaleBody { process, file, pid }),
    }
}

fn write(body: &impl Serialize) -> String {
    serde_json::to_string(&(VERSION, body)).expect("invariant: strings and numbers have a JSON form")
}

/// Reads what [`write_item`] wrote; the error says what is wrong with the text.
pub(crate) fn read_item(kind: ItemKind, text: &str) -> Result<Item, String> {
    Ok(match kind {
        ItemKind::Account => {
            let AccountBody { name, uid, gid, home, shell } = read(text)?;
            Item::Account(Account { name: UserName::new(name), uid, gid, home, shell })
        }
        ItemKind::AuthorizedKey => {
            let KeyBody { account, fingerprint, algorithm, comment, options } = read(text)?;
            let account = UserName::new(account);
            Item::AuthorizedKey(AuthorizedKey { account, fingerprint, algorithm, comment, options })
        }
        ItemKind::Boot => {
            let BootBody { at_us } = read(text)?;
            Item::Boot(Timestamp::from_microsecond(at_us).map_err(|error| error.to_string())?)
        }
        ItemKind::Cron => {
            let CronBody { file, line } = read(text)?;
            Item::Cron(CronEntry { file, line })
        }
        ItemKind::Group => {
            let GroupBody { name, gid, members } = read(text)?;
            Item::Group(AccountGroup { name, gid, members })
        }
        ItemKind::Jail => {
            let JailBody { name, path } = read(text)?;
            Item::Jail { name, path }
        }
        ItemKind::Listener => read_listener(text)?,
        ItemKind::Privilege => {
            let PrivilegeBody { file, rule } = read(text)?;
            Item::Privilege(PrivilegeRule { file, rule })
        }
        ItemKind::Reboot => {
            let RebootBody { needed, why } = read(text)?;
            Item::Reboot(RebootNeed { is_needed: needed, why })
        }
        ItemKind::Service => read_service(text)?,
        ItemKind::Software => {
            let SoftwareBody { kind, name, version, purl, path } = read(text)?;
            let unknown = || format!("kind of software `{kind}` is not known");
            let kind = SoftwareKind::parse(&kind).ok_or_else(unknown)?;
            Item::Software(Software { kind, name, version, purl, path })
        }
        ItemKind::StaleProcess => {
            let StaleBody { process, file, pid } = read(text)?;
            Item::StaleProcess(StaleProcess { process, file, pid })
        }
    })
}

fn read_listener(text: &str) -> Result<Item, String> {
    let ListenerBody { transport, address, port, process, package } = read(text)?;
    let transport = match transport {
        TransportBody::Tcp => Transport::Tcp,
        TransportBody::Udp => Transport::Udp,
    };
    Ok(Item::Listener(Listener { transport, address, port, process, package: package.map(PackageName::new) }))
}

fn read_service(text: &str) -> Result<Item, String> {
    let ServiceBody { manager, name, enabled, running } = read(text)?;
    let manager = match manager {
        ManagerBody::OpenRc => ServiceManager::OpenRc,
        ManagerBody::RcD => ServiceManager::RcD,
        ManagerBody::Runit => ServiceManager::Runit,
        ManagerBody::Systemd => ServiceManager::Systemd,
    };
    Ok(Item::Service(ObservedService { manager, name, is_enabled: enabled, is_running: running }))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let (version, body): (u32, T) = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!("item of version {version}, expected {VERSION}"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn items() -> impl Strategy<Value = Item> {
        let text = || ".{0,12}";
        let truth = || proptest::option::of(any::<bool>());
        let managers =
            [ServiceManager::OpenRc, ServiceManager::RcD, ServiceManager::Runit, ServiceManager::Systemd];
        prop_oneof![
            (text(), any::<u32>(), any::<u32>(), text(), text()).prop_map(|(name, uid, gid, home, shell)| {
                Item::Account(Account { name: UserName::new(name), uid, gid, home, shell })
            }),
            (text(), text(), text(), text(), text()).prop_map(
                |(account, fingerprint, algorithm, comment, options)| {
                    let account = UserName::new(account);
                    Item::AuthorizedKey(AuthorizedKey { account, fingerprint, algorithm, comment, options })
                }
            ),
            (-1_000_000_000_000_000_i64..4_000_000_000_000_000)
                .prop_map(|at| Item::Boot(Timestamp::from_microsecond(at).expect("in range"))),
            (text(), text()).prop_map(|(file, line)| Item::Cron(CronEntry { file, line })),
            (text(), any::<u32>(), proptest::collection::vec(text(), 0..3))
                .prop_map(|(name, gid, members)| Item::Group(AccountGroup { name, gid, members })),
            (text(), text()).prop_map(|(name, path)| Item::Jail { name, path }),
            (any::<IpAddr>(), any::<u16>(), proptest::option::of(text()), any::<bool>()).prop_map(
                |(address, port, process, is_tcp)| {
                    let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
                    let package = process.clone().map(PackageName::new);
                    Item::Listener(Listener { transport, address, port, process, package })
                }
            ),
            (text(), text()).prop_map(|(file, rule)| Item::Privilege(PrivilegeRule { file, rule })),
            (any::<bool>(), text()).prop_map(|(is_needed, why)| Item::Reboot(RebootNeed { is_needed, why })),
            (0..4_usize, text(), truth(), truth()).prop_map(
                move |(manager, name, is_enabled, is_running)| {
                    let manager = managers[manager];
                    Item::Service(ObservedService { manager, name, is_enabled, is_running })
                }
            ),
            (0..SoftwareKind::ALL.len(), text(), text(), text(), text()).prop_map(
                |(kind, name, version, purl, path)| {
                    let kind = SoftwareKind::ALL[kind];
                    Item::Software(Software { kind, name, version, purl, path })
                }
            ),
            (text(), text(), any::<u32>())
                .prop_map(|(process, file, pid)| Item::StaleProcess(StaleProcess { process, file, pid })),
        ]
    }

    proptest! {
        #[test]
        fn items_come_back(item in items()) {
            prop_assert_eq!(read_item(item.kind(), &write_item(&item)), Ok(item));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            for kind in ItemKind::ALL {
                let _ = read_item(kind, &text);
            }
        }
    }

    #[test]
    fn what_a_later_binary_wrote_is_refused() {
        assert!(read_item(ItemKind::Cron, r#"[1,{"file":"a","line":"b"}]"#).is_ok());
        for bad in [r#"[2,{"file":"a","line":"b"}]"#, r#"[1,{"file":"a"}]"#, r#"{"file":"a","line":"b"}"#, ""]
        {
            assert!(read_item(ItemKind::Cron, bad).is_err(), "{bad}");
        }
    }
}
