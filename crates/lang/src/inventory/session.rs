//! What the declaring functions leave behind.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use model::{Client, Connection, HostName, PackageName, Place, Problem, ServiceName, Tag};
use starlark::any::ProvidesStaticType;
use starlark::eval::Evaluator;

use crate::inventory::argument::Call;
use crate::limits::{Budget, DECLARATIONS_MAX, PROBLEMS_MAX};

/// Everything that was declared so far, before it is checked as a whole.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    /// Clients, in the order of declaration.
    pub clients: Vec<Client>,
    /// Hosts, in the order of declaration.
    pub hosts: Vec<DeclaredHost>,
    /// Services, in the order of declaration.
    pub services: Vec<DeclaredService>,
    /// Names of declarations that could not be understood: references to them are not reported too.
    pub broken: HashSet<String>,
    /// What was wrong with arguments.
    pub problems: Vec<Problem>,
}

/// A host whose client is not looked up yet.
#[derive(Debug)]
pub(crate) struct DeclaredHost {
    pub name: HostName,
    pub client: String,
    pub connection: Connection,
    pub tags: Vec<Tag>,
    pub place: Place,
}

/// A service whose client, hosts and services are not looked up yet.
#[derive(Debug)]
pub(crate) struct DeclaredService {
    pub name: ServiceName,
    pub client: String,
    pub hosts: Vec<String>,
    pub port: Option<u16>,
    pub package: Option<PackageName>,
    pub depends_on: Vec<String>,
    pub is_critical: bool,
    pub place: Place,
}

/// What the declaring functions find in `Evaluator::extra`.
#[derive(Debug, ProvidesStaticType)]
pub(crate) struct Session {
    declarations: RefCell<Declarations>,
    budget: Rc<Budget>,
}

impl Session {
    /// Starts with nothing.
    pub fn new(budget: Rc<Budget>) -> Self {
        Self { declarations: RefCell::default(), budget }
    }

    /// Returns what was declared.
    pub fn into_declarations(self) -> Declarations {
        self.declarations.into_inner()
    }

    /// Adds one declaration: `declare` stores it where its arguments were good.
    pub fn add<D>(
        eval: &Evaluator<'_, '_, '_>,
        call: Call,
        name: &str,
        declaration: Option<D>,
        declare: impl FnOnce(&mut Declarations, D),
    ) -> starlark::Result<()> {
        let Some(session) = eval.extra.and_then(|extra| extra.downcast_ref::<Self>()) else {
            let why = std::io::Error::other("declarations are only possible while the inventory is loaded");
            return Err(starlark::Error::new_other(why));
        };
        let mut declarations = session.declarations.borrow_mut();
        declarations.problems.extend(call.into_problems());
        match declaration {
            Some(declaration) => declare(&mut declarations, declaration),
            None => {
                declarations.broken.insert(name.to_owned());
            }
        }
        if declarations.problems.len() > PROBLEMS_MAX {
            return Err(session.budget.stop("too many declarations have problems", PROBLEMS_MAX));
        }
        let count = declarations.clients.len() + declarations.hosts.len() + declarations.services.len();
        if count > DECLARATIONS_MAX {
            return Err(session
                .budget
                .stop("too many clients, hosts and services are declared", DECLARATIONS_MAX));
        }
        Ok(())
    }
}
