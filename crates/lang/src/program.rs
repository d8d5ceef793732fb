//! Evaluates the files of a workspace, each one once.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

use model::{Code, Place, Problem};
use starlark::PrintHandler;
use starlark::docs::{DocItem, DocMember, DocString};
use starlark::environment::{FrozenModule, Globals, Module};
use starlark::eval::{Evaluator, ReturnFileLoader};
use starlark::syntax::AstModule;
use starlark::typing::AstModuleTypecheck;

use crate::call::DeployCode;
use crate::data::{Door, UNKNOWN};
use crate::diagnostic::{cut, from_error, name_parameters, name_pyinfra, spot};
use crate::extension::{Extension, Scope};
use crate::files::{DEPLOYS, INVENTORY, is_source, read, resolve, scope_of, too_large};
use crate::globals::globals;
use crate::inventory::Session;
use crate::limits::{Budget, FILE_BYTES_MAX, LOAD_DEPTH_MAX, limit};
use crate::parse::{Parsed, parse};
use crate::tested::Test;
use crate::workspace::{Deploy, LoadOptions};

/// The run over all files.
pub(crate) struct Program<'a> {
    root: &'a Path,
    options: &'a LoadOptions,
    inventory: Globals,
    deploys: Globals,
    tests: Globals,
    others: Globals,
    session: Session,
    budget: Rc<Budget>,
    modules: HashMap<String, Option<Loaded>>,
    /// Files that could not go on for lack of data that was not asked for: no fault of theirs.
    starved: HashSet<String>,
    /// The chain of `load` statements that is being followed.
    chain: Vec<String>,
    problems: Vec<Problem>,
}

/// A file that was evaluated to its end.
#[derive(Clone)]
struct Loaded {
    module: FrozenModule,
    deploy: Option<Place>,
    tests: Vec<(String, Place)>,
}

/// What a run leaves behind.
pub(crate) struct Outcome {
    /// What the inventory declared.
    pub session: Session,
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// Files of the inventory that could not be evaluated to their end, sorted.
    pub unread: Vec<String>,
    /// Whether nothing outside of `inventory/` and `deploys/` had a part in it.
    pub is_self_contained: bool,
}

impl<'a> Program<'a> {
    /// Prepares a run.
    pub fn new(root: &'a Path, extensions: &[Extension], options: &'a LoadOptions) -> Self {
        let budget = Rc::new(Budget::new());
        let door = Door::new(root, options.run_commands, Rc::clone(&budget));
        Self {
            root,
            options,
            inventory: globals(Scope::Inventory, extensions),
            deploys: globals(Scope::Deploys, extensions),
            tests: globals(Scope::Tests, extensions),
            others: globals(Scope::Everywhere, extensions),
            session: Session::new(Rc::clone(&budget), door),
            budget,
            modules: HashMap::new(),
            starved: HashSet::new(),
            chain: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Evaluates a file and everything it loads.
    pub fn run(&mut self, path: &str) {
        self.loaded(path);
    }

    /// Evaluates a deploy file and returns its deploy, if it defines one.
    pub fn deploy(&mut self, path: &str) -> Option<Deploy> {
        let Loaded { module, deploy, .. } = self.loaded(path)?;
        let Some(place) = deploy else {
            if module.get_option("deploy").is_ok_and(|value| value.is_some()) {
                self.bad_deploy(Place::File { path: path.to_owned() });
            }
            return None;
        };
        let documentation = module.get("deploy").ok()?.value().documentation();
        let DocItem::Member(DocMember::Function(function)) = documentation else {
            self.bad_deploy(place);
            return None;
        };
        let takes_host = function.params.pos_or_named.first().or(function.params.pos_only.first());
        let others = function.params.regular_params().skip(1).any(|param| param.default_value.is_none());
        if takes_host.is_none_or(|param| param.name != "host") || others {
            self.bad_deploy(place);
            return None;
        }
        let doc = function.docs.or(module.documentation().docs).map(text_of).unwrap_or_default();
        let name = path.strip_prefix(DEPLOYS)?.strip_prefix('/')?.strip_suffix(".star")?.to_owned();
        Some(Deploy { name, path: path.to_owned(), doc, place, code: DeployCode(module) })
    }

    /// Evaluates a file of tests and returns its tests, in their order.
    pub fn tests(&mut self, path: &str) -> Vec<Test> {
        let Some(Loaded { module, tests, .. }) = self.loaded(path) else { return Vec::new() };
        let mut good = Vec::new();
        for (name, place) in tests {
            let documentation = module.get(&name).map(|value| value.value().documentation());
            let Ok(DocItem::Member(DocMember::Function(function))) = documentation else { continue };
            if function.params.regular_params().any(|param| param.default_value.is_none()) {
                let message =
                    format!("expected `def {name}()`, a function that can be called without arguments");
                self.problems.push(Problem::new(Code::StarlarkError, place, message));
                continue;
            }
            let doc = function.docs.map(text_of).unwrap_or_default();
            good.push(Test { name, path: path.to_owned(), doc, place, code: DeployCode(module.clone()) });
        }
        good
    }

    /// Evaluates a file and returns its module.
    pub fn module(&mut self, path: &str) -> Option<FrozenModule> {
        Some(self.loaded(path)?.module)
    }

    /// Ends the run.
    pub fn finish(self) -> Outcome {
        let is_unread = |(path, loaded): (&String, &Option<Loaded>)| {
            let is_there = loaded.is_none() && path.starts_with(INVENTORY) && self.root.join(path).is_file();
            is_there.then(|| path.clone())
        };
        let mut unread: Vec<String> = self.modules.iter().filter_map(is_unread).collect();
        unread.sort();
        let is_self_contained =
            self.modules.keys().all(|path| is_source(path)) && !self.session.door.has_looked_outside();
        Outcome { session: self.session, problems: self.problems, unread, is_self_contained }
    }

    fn bad_deploy(&mut self, place: Place) {
        let message = "expected `def deploy(host)`, a function that can be called with one host";
        self.problems.push(Problem::new(Code::StarlarkError, place, message));
    }

    fn loaded(&mut self, path: &str) -> Option<Loaded> {
        if let Some(known) = self.modules.get(path) {
            return known.clone();
        }
        // Until it is evaluated to its end it counts as failed.
        self.modules.insert(path.to_owned(), None);
        self.chain.push(path.to_owned());
        let loaded = self.evaluate(path);
        self.chain.pop();
        match loaded {
            Ok(loaded) => {
                self.modules.insert(path.to_owned(), Some(loaded.clone()));
                Some(loaded)
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn evaluate(&mut self, path: &str) -> Result<Loaded, Vec<Problem>> {
        let content = match self.options.buffers.get(path) {
            Some(content) if content.len() as u64 <= FILE_BYTES_MAX => content.clone(),
            Some(_) => return Err(vec![too_large(path)]),
            None => read(self.root, path).map_err(|problem| vec![problem])?,
        };
        let is_inventory = path.starts_with(INVENTORY);
        let Parsed { tree, deploy, tests } = parse(path, content, !is_inventory)?;
        let loads = self.loads(path, &tree)?;
        let globals = match scope_of(path) {
            Scope::Inventory => &self.inventory,
            Scope::Deploys => &self.deploys,
            Scope::Tests => &self.tests,
            Scope::Everywhere => &self.others,
        };
        if !is_inventory {
            typecheck(path, tree.clone(), globals)?;
        }
        let names = loads.iter().map(|(name, module)| (name.as_str(), module)).collect();
        let loader = ReturnFileLoader { modules: &names };
        let deploy = deploy.map(|span| spot(&span));
        let tests = tests.iter().map(|(name, span)| (name.clone(), spot(span))).collect();
        let tree = Parsed { tree, deploy: None, tests: Vec::new() }.into_evaluable();
        let result = Module::with_temp_heap(|module| {
            {
                let mut evaluator = Evaluator::new(&module);
                evaluator.extra = Some(&self.session);
                evaluator.set_loader(&loader);
                evaluator.set_print_handler(&Silence);
                let result = limit(&mut evaluator, &self.budget)
                    .and_then(|()| evaluator.eval_module(tree, globals).map(drop));
                if let Err(error) = result {
                    let reached = self.budget.take_reached(&mut evaluator);
                    let mut problem = name_parameters(from_error(&error, path, reached), globals);
                    if let (Code::StarlarkLimit, Place::File { .. }, Some(last)) =
                        (problem.code, &problem.place, self.budget.take_last())
                    {
                        problem.place = spot(&last);
                    }
                    if self.session.door.has_skipped() && is_of_unknown(&problem) {
                        self.starved.insert(path.to_owned());
                        return Err(Vec::new());
                    }
                    return Err(vec![problem]);
                }
            }
            module.freeze().map_err(|error| {
                let place = Place::File { path: path.to_owned() };
                vec![Problem::new(
                    Code::StarlarkError,
                    place,
                    format!("the file's values cannot be kept: {}", cut(&format!("{error:?}"))),
                )]
            })
        });
        Ok(Loaded { module: result?, deploy, tests })
    }

    /// Evaluates what a file loads.
    fn loads(&mut self, path: &str, tree: &AstModule) -> Result<HashMap<String, FrozenModule>, Vec<Problem>> {
        let mut modules = HashMap::new();
        let mut problems = Vec::new();
        for load in tree.loads() {
            let at = |message: String| Problem::new(Code::StarlarkLoad, spot(&load.span), message);
            match self.load_one(path, load.module_id) {
                Err(_) if resolve(path, load.module_id).is_ok_and(|it| self.starved.contains(&it)) => {
                    self.starved.insert(path.to_owned());
                    return Err(Vec::new());
                }
                Ok(module) => _ = modules.insert(load.module_id.to_owned(), module),
                Err(why) => {
                    problems.push(at(format!("cannot load `{}`: {why}", load.module_id.escape_debug())))
                }
            }
        }
        if problems.is_empty() { Ok(modules) } else { Err(problems) }
    }

    fn load_one(&mut self, from: &str, named: &str) -> Result<FrozenModule, String> {
        let path = resolve(from, named)?;
        if let Some(at) = self.chain.iter().position(|earlier| *earlier == path) {
            let chain = self.chain.get(at..).unwrap_or_default().join(" -> ");
            return Err(format!("the files load each other in a circle: {chain} -> {path}"));
        }
        if self.chain.len() >= LOAD_DEPTH_MAX {
            return Err(format!("more than {LOAD_DEPTH_MAX} files load one another in a row"));
        }
        match self.loaded(&path) {
            Some(loaded) => Ok(loaded.module),
            None => Err(format!("{path} has problems of its own")),
        }
    }
}

/// Checks the types inside of every function: deploys run much later, so this is when people learn
/// of a misspelt operation.
fn typecheck(path: &str, tree: AstModule, globals: &Globals) -> Result<(), Vec<Problem>> {
    let (errors, ..) = tree.typecheck(globals, &HashMap::new());
    let problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let problem = name_pyinfra(from_error(error, path, None));
            match problem.code {
                Code::StarlarkError => Problem { code: Code::StarlarkType, ..problem },
                _ => problem,
            }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Says whether code failed because it wants to know what is unknown.
fn is_of_unknown(problem: &Problem) -> bool {
    problem.code == Code::StarlarkError && problem.message.contains(UNKNOWN)
}

fn text_of(doc: DocString) -> String {
    match doc.details {
        Some(details) => format!("{}\n\n{details}", doc.summary),
        None => doc.summary,
    }
}

/// `print()` goes nowhere: loading is silent, and its result is the declarations.
pub(crate) struct Silence;

impl PrintHandler for Silence {
    fn println(&self, _text: &str) -> starlark::Result<()> {
        Ok(())
    }
}
