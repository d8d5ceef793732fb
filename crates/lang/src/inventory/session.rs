//! What the declaring functions leave behind.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use jiff::Timestamp;
use model::selector::Selector;
use model::{
    Client, Connection, DataValue, Ecosystem, Email, GroupName, HostName, InterfaceAddress, InterfaceName,
    MacAddress, NetworkName, PersonName, Place, Prefix, Problem, PublicKey, Role, ServiceName,
    ServicePackage, SiteName, Tag, VulnerabilityId,
};
use starlark::any::ProvidesStaticType;
use starlark::eval::Evaluator;

use crate::data::Door;
use crate::inventory::argument::Call;
use crate::limits::{Budget, DECLARATIONS_MAX, PROBLEMS_MAX};

/// Everything that was declared so far, before it is checked as a whole; each kind in the order of
/// declaration. References are names that are not looked up yet.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    pub clients: Vec<Client>,
    pub people: Vec<DeclaredPerson>,
    pub sites: Vec<DeclaredSite>,
    pub networks: Vec<DeclaredNetwork>,
    pub groups: Vec<DeclaredGroup>,
    pub hosts: Vec<DeclaredHost>,
    pub links: Vec<DeclaredLink>,
    pub services: Vec<DeclaredService>,
    pub exceptions: Vec<DeclaredException>,
    /// Names of declarations that could not be understood: references to them are not reported too.
    pub broken: HashSet<String>,
    /// Whether some data was not asked for, so that what seems to be missing may not be.
    pub is_partial: bool,
    /// What was wrong with arguments.
    pub problems: Vec<Problem>,
}

impl Declarations {
    fn count(&self) -> usize {
        let persons_and_places =
            self.clients.len() + self.people.len() + self.sites.len() + self.networks.len();
        let hosts_and_links = self.groups.len() + self.hosts.len() + self.links.len();
        persons_and_places + hosts_and_links + self.services.len() + self.exceptions.len()
    }
}

#[derive(Debug)]
pub(crate) struct DeclaredPerson {
    pub name: PersonName,
    pub email: Option<Email>,
    pub keys: Vec<PublicKey>,
    /// Roles and the clients they are for; no client = every one.
    pub access: Vec<(Role, Option<String>)>,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredSite {
    pub name: SiteName,
    pub client: String,
    pub title: String,
    pub location: Option<String>,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredNetwork {
    pub name: NetworkName,
    pub prefix: Prefix,
    pub vlan: Option<u16>,
    pub client: Option<String>,
    pub site: Option<String>,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredGroup {
    pub name: GroupName,
    pub client: Option<String>,
    pub hosts: Vec<String>,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredHost {
    pub name: HostName,
    pub client: String,
    pub connection: Connection,
    pub site: Option<String>,
    pub os: Option<Ecosystem>,
    pub tags: Vec<Tag>,
    pub interfaces: Vec<DeclaredInterface>,
    pub data: BTreeMap<String, DataValue>,
    pub place: Place,
}

#[derive(Debug, Clone)]
pub(crate) struct DeclaredInterface {
    pub name: InterfaceName,
    pub addresses: Vec<InterfaceAddress>,
    pub mac: Option<MacAddress>,
    pub network: Option<String>,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredLink {
    /// Hosts and, where it is said, their interfaces.
    pub ends: [(String, Option<String>); 2],
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredService {
    pub name: ServiceName,
    pub client: String,
    pub hosts: Vec<String>,
    pub port: Option<u16>,
    pub package: Option<ServicePackage>,
    pub paths: Vec<String>,
    pub depends_on: Vec<String>,
    pub owner: Option<String>,
    pub is_critical: bool,
    pub place: Place,
}

#[derive(Debug)]
pub(crate) struct DeclaredException {
    pub vulnerability: VulnerabilityId,
    pub hosts: Selector,
    pub owner: String,
    pub reason: String,
    pub until: Timestamp,
    pub place: Place,
}

/// What the declaring functions find in `Evaluator::extra`.
#[derive(Debug, ProvidesStaticType)]
pub(crate) struct Session {
    declarations: RefCell<Declarations>,
    budget: Rc<Budget>,
    /// The way to what lies outside of the code.
    pub door: Door,
}

impl Session {
    /// Starts with nothing.
    pub fn new(budget: Rc<Budget>, door: Door) -> Self {
        Self { declarations: RefCell::default(), budget, door }
    }

    /// Returns what was declared.
    pub fn into_declarations(self) -> Declarations {
        Declarations { is_partial: self.door.has_skipped(), ..self.declarations.into_inner() }
    }

    /// Finds the session of the code that runs.
    ///
    /// # Errors
    /// There is none: a function of an inventory file is called after the inventory was loaded.
    pub fn of<'e>(eval: &Evaluator<'_, 'e, '_>) -> starlark::Result<&'e Self> {
        eval.extra.and_then(|extra| extra.downcast_ref::<Self>()).ok_or_else(|| {
            let why = "declarations and data are only possible while the inventory is loaded";
            starlark::Error::new_other(std::io::Error::other(why))
        })
    }

    /// Adds one declaration: `declare` stores it where its arguments were good.
    pub fn add<D>(
        eval: &Evaluator<'_, '_, '_>,
        call: Call,
        name: &str,
        declaration: Option<D>,
        declare: impl FnOnce(&mut Declarations, D),
    ) -> starlark::Result<()> {
        let session = Self::of(eval)?;
        let mut declarations = session.declarations.borrow_mut();
        declarations.problems.extend(call.into_problems());
        match declaration {
            Some(declaration) => declare(&mut declarations, declaration),
            None => _ = declarations.broken.insert(name.to_owned()),
        }
        if declarations.problems.len() > PROBLEMS_MAX {
            return Err(session.budget.stop("too many declarations have problems", PROBLEMS_MAX));
        }
        if declarations.count() > DECLARATIONS_MAX {
            return Err(session
                .budget
                .stop("too many hosts, services and others are declared", DECLARATIONS_MAX));
        }
        Ok(())
    }
}
