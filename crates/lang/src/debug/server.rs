//! The editor's side: requests in, responses and events out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use model::{Place, Problem};
use serde::Serialize;

use super::answers::{
    self, Capabilities, Continued, Envelope, Evaluated, Exited, Failure, FailureText, Message, Output, Scope,
    StackFrame, Stopped, Thread,
};
use super::breakpoints::{Breakpoint, Breakpoints, Lines};
use super::hook::{Frame, Go, Order, Reason};
use super::wire::{self, Ask, Initialize, LaunchArguments, Request, Source};
use super::{Console, Debugger, Kind, Launch, Outcome, Prepared, Session};

/// The one thread: a deploy has no others.
const THREAD: i64 = 1;
/// The number of all failures; they are told by their text.
const FAILURE_ID: u32 = 1;

/// What happens: the editor asks, or the evaluation goes on.
#[derive(Debug)]
pub(super) enum Incoming {
    Request(Request),
    /// The editor's stream is over, or broke.
    Gone(Option<io::Error>),
    /// Something for the debug console.
    Said(String),
    /// What the editor launched is ready.
    Ready(Ready),
    /// The evaluation stands.
    Stands(Reason),
    /// The evaluation is over.
    Over(Outcome),
}

/// What was prepared, or why it was not.
pub(super) struct Ready(Result<Prepared, String>);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ready").field(&self.0.as_ref().map(|it| &it.title)).finish()
    }
}

/// Makes ready what is to be debugged.
pub(super) type Prepare = Box<dyn FnOnce(Launch, &Console) -> Result<Prepared, String> + Send>;

/// Where the session is.
enum State {
    /// Nothing was asked for yet.
    New(Prepare),
    /// The request `launch` waits for what is being prepared.
    Preparing(Request),
    /// The editor sets its breakpoints.
    Ready(Prepared),
    /// The evaluation runs, or stands where `orders` are answered.
    Running { orders: Sender<Order>, stands: bool },
    /// It is over, or never began.
    Over,
}

pub(super) struct Server<W> {
    output: W,
    sender: Sender<Incoming>,
    last_seq: i64,
    /// The number of the first line and of the first column, as the editor counts.
    first: (i64, i64),
    launch: LaunchArguments,
    breakpoints: Arc<Breakpoints>,
    root: PathBuf,
    title: String,
    state: State,
    /// The thread of the evaluation.
    deploy: Option<JoinHandle<()>>,
}

/// Why a request is refused, for a person.
type Refusal = String;

impl<W: Write> Server<W> {
    pub fn new(output: W, sender: Sender<Incoming>, prepare: Prepare) -> Self {
        Self {
            output,
            sender,
            last_seq: 0,
            first: (1, 1),
            launch: LaunchArguments::default(),
            breakpoints: Arc::default(),
            root: PathBuf::new(),
            title: "deploy".to_owned(),
            state: State::New(prepare),
            deploy: None,
        }
    }

    /// Serves until the editor leaves, and ends the evaluation then.
    pub fn serve(mut self, incoming: &Receiver<Incoming>) -> io::Result<()> {
        let result = self.converse(incoming);
        self.breakpoints.end();
        // Where it stands, it ends with the one who gives it orders.
        self.state = State::Over;
        if let Some(deploy) = self.deploy.take() {
            // A panic was told on standard error.
            let _ = deploy.join();
        }
        result
    }

    fn converse(&mut self, incoming: &Receiver<Incoming>) -> io::Result<()> {
        // The sender that this holds keeps the channel open.
        while let Ok(incoming) = incoming.recv() {
            match incoming {
                Incoming::Request(request) if matches!(request.ask, Ask::End) => {
                    return self.accept(&request);
                }
                Incoming::Request(request) => self.answer(request)?,
                Incoming::Gone(fault) => return fault.map_or(Ok(()), Err),
                Incoming::Said(line) => self.say("console", &line)?,
                Incoming::Ready(ready) => self.begin_session(ready)?,
                Incoming::Stands(reason) => self.stand(reason)?,
                Incoming::Over(outcome) => self.finish(outcome)?,
            }
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) -> io::Result<()> {
        match &request.ask {
            Ask::Initialize(arguments) => self.initialize(&request, arguments),
            Ask::Launch(_) => self.launch(request),
            Ask::ConfigurationDone => self.start(&request),
            Ask::Nothing => self.accept(&request),
            Ask::SetBreakpoints(arguments) => self.set_breakpoints(&request, arguments),
            Ask::Threads => {
                let threads = [Thread { id: THREAD, name: self.title.clone() }];
                self.respond(&request, answers::Threads { threads })
            }
            Ask::Pause => {
                self.breakpoints.pause();
                self.accept(&request)
            }
            Ask::Continue => self.go(&request, Go::On),
            Ask::Next => self.go(&request, Go::Over),
            Ask::StepIn => self.go(&request, Go::Into),
            Ask::StepOut => self.go(&request, Go::Out),
            Ask::StackTrace(_) | Ask::Scopes(_) | Ask::Variables(_) | Ask::Evaluate(_) => self.look(&request),
            Ask::Malformed(why) => self.refuse(&request, format!("the arguments make no sense: {why}")),
            Ask::Unknown | Ask::End => {
                let why = format!("ifrit does not know the request {:?}", request.command);
                self.refuse(&request, why)
            }
        }
    }

    fn initialize(&mut self, request: &Request, arguments: &Initialize) -> io::Result<()> {
        if arguments.path_format != "path" {
            return self.refuse(request, "ifrit names files by their paths only, not by URIs".to_owned());
        }
        self.first = (i64::from(arguments.lines_start_at_1), i64::from(arguments.columns_start_at_1));
        let capabilities = Capabilities {
            supports_configuration_done_request: true,
            supports_conditional_breakpoints: true,
            supports_log_points: true,
            supports_evaluate_for_hovers: true,
        };
        self.respond(request, capabilities)
    }

    fn launch(&mut self, mut request: Request) -> io::Result<()> {
        let State::New(prepare) = std::mem::replace(&mut self.state, State::Over) else {
            return self.refuse(&request, "this session was launched already".to_owned());
        };
        if let Ask::Launch(arguments) = &mut request.ask {
            self.launch = std::mem::take(arguments);
        }
        let LaunchArguments { deploy, host, facts, workspace, .. } = self.launch.clone();
        let launch = Launch { deploy, host, facts, workspace };
        let sender = self.sender.clone();
        std::thread::Builder::new().name("prepare".to_owned()).spawn(move || {
            let ready = prepare(launch, &Console(sender.clone()));
            // Where the editor left meanwhile, nobody wants it.
            let _ = sender.send(Incoming::Ready(Ready(ready)));
        })?;
        self.state = State::Preparing(request);
        Ok(())
    }

    fn begin_session(&mut self, ready: Ready) -> io::Result<()> {
        let State::Preparing(request) = std::mem::replace(&mut self.state, State::Over) else {
            return Ok(());
        };
        match ready.0 {
            Ok(prepared) => {
                self.root = prepared.root.clone();
                self.title.clone_from(&prepared.title);
                self.state = State::Ready(prepared);
                self.accept(&request)?;
                self.event("initialized", None::<()>)
            }
            Err(why) => {
                self.say("stderr", &why)?;
                self.refuse(&request, why)?;
                self.event("terminated", None::<()>)
            }
        }
    }

    fn start(&mut self, request: &Request) -> io::Result<()> {
        let prepared = match std::mem::replace(&mut self.state, State::Over) {
            State::Ready(prepared) => prepared,
            other => {
                self.state = other;
                return self.refuse(request, "nothing that was launched waits for this".to_owned());
            }
        };
        if self.launch.no_debug {
            self.breakpoints.clear();
        }
        // Who sets no breakpoint would else see nothing but the end.
        let stops_at_entry = self.launch.stop_on_entry.unwrap_or_else(|| self.breakpoints.is_empty());
        let (orders, received) = channel();
        let session = Session {
            orders: received,
            events: self.sender.clone(),
            breakpoints: Arc::clone(&self.breakpoints),
            stops_at_entry: stops_at_entry && !self.launch.no_debug,
        };
        let sender = self.sender.clone();
        let deploy = std::thread::Builder::new().name("deploy".to_owned()).spawn(move || {
            let outcome = (prepared.run)(Debugger(Kind::Editor(session)));
            // Where the editor left meanwhile, nobody wants it.
            let _ = sender.send(Incoming::Over(outcome));
        })?;
        self.deploy = Some(deploy);
        self.state = State::Running { orders, stands: false };
        self.accept(request)
    }

    fn set_breakpoints(&mut self, request: &Request, arguments: &wire::SetBreakpoints) -> io::Result<()> {
        let given = arguments.source.path.as_deref().unwrap_or_default();
        let path = below(&self.root, Path::new(given));
        let outside = || format!("{given} is not a file of the workspace {}", self.root.display());
        let lines = path.as_deref().ok_or_else(outside).and_then(|path| Lines::of_file(&self.root, path));
        let (mut set, mut answers) = (Vec::new(), Vec::new());
        for asked in &arguments.breakpoints {
            let line = usize::try_from(asked.line - self.first.0 + 1).unwrap_or(0);
            let found = lines.as_ref().map_err(String::clone).and_then(|lines| lines.statement_at(line));
            answers.push(match &found {
                Ok((line, _)) => {
                    answers::Breakpoint { verified: true, line: Some(self.line(*line)), message: None }
                }
                Err(why) => answers::Breakpoint { verified: false, line: None, message: Some(why.clone()) },
            });
            let text = |text: &Option<String>| text.clone().filter(|it| !it.trim().is_empty());
            let (condition, message) = (text(&asked.condition), text(&asked.log_message));
            set.extend(found.ok().map(|(line, column)| Breakpoint { line, column, condition, message }));
        }
        if let Some(path) = path
            && !self.launch.no_debug
        {
            self.breakpoints.set(&path, set);
        }
        self.respond(request, answers::Breakpoints { breakpoints: answers })
    }

    fn go(&mut self, request: &Request, go: Go) -> io::Result<()> {
        match &mut self.state {
            State::Running { orders, stands } if *stands => {
                *stands = false;
                // The response comes before the next stop can.
                let order = orders.clone();
                self.respond(request, Continued { all_threads_continued: true })?;
                // Where the evaluation is over, its end is on the way.
                let _ = order.send(Order::Go(go));
                Ok(())
            }
            _ => self.refuse(request, "the deploy does not stand at a statement".to_owned()),
        }
    }

    /// Answers what is asked of an evaluation that stands.
    fn look(&mut self, request: &Request) -> io::Result<()> {
        let State::Running { orders, stands: true } = &self.state else {
            return self.refuse(request, "the deploy does not stand at a statement".to_owned());
        };
        let orders = orders.clone();
        match &request.ask {
            Ask::StackTrace(arguments) => match ask(&orders, Order::Frames) {
                Ok(frames) => {
                    let total_frames = frames.len();
                    let levels = if arguments.levels == 0 { usize::MAX } else { arguments.levels };
                    let wanted = frames.iter().enumerate().skip(arguments.start_frame).take(levels);
                    let stack_frames = wanted.map(|(id, frame)| self.frame(id, frame)).collect();
                    self.respond(request, answers::StackTrace { stack_frames, total_frames })
                }
                Err(why) => self.refuse(request, why),
            },
            Ask::Scopes(arguments) => match ask(&orders, |reply| Order::Scopes(arguments.frame_id, reply)) {
                Ok(scopes) => {
                    let scope =
                        |(name, variables_reference)| Scope { name, variables_reference, expensive: false };
                    self.respond(request, answers::Scopes { scopes: scopes.into_iter().map(scope).collect() })
                }
                Err(why) => self.refuse(request, why),
            },
            Ask::Variables(arguments) => {
                match ask(&orders, |reply| Order::Variables(arguments.variables_reference, reply)) {
                    Ok(variables) => self.respond(request, answers::Variables { variables }),
                    Err(why) => self.refuse(request, why),
                }
            }
            Ask::Evaluate(arguments) if arguments.frame_id.unwrap_or(0) > 0 => {
                self.refuse(request, "an expression can be evaluated in the innermost frame only".to_owned())
            }
            Ask::Evaluate(arguments) => {
                let order = |reply| Order::Evaluate(arguments.expression.clone(), reply);
                match ask(&orders, order).and_then(|value| value) {
                    Ok(answers::Variable { value: result, kind, variables_reference, .. }) => {
                        self.respond(request, Evaluated { result, kind, variables_reference })
                    }
                    Err(why) => self.refuse(request, why),
                }
            }
            _ => Ok(()),
        }
    }

    fn frame(&self, id: usize, frame: &Frame) -> StackFrame {
        // Where there is no source, the protocol wants 0.
        let at = frame.at.as_ref().map(|(_, line, column)| (self.line(*line), self.column(*column)));
        let (line, column) = at.unwrap_or((0, 0));
        StackFrame {
            id,
            name: frame.name.clone(),
            line,
            column,
            source: frame.at.as_ref().map(|(path, ..)| self.source(path)),
            presentation_hint: frame.at.is_none().then_some("subtle"),
        }
    }

    fn source(&self, path: &str) -> Source {
        let name = path.rsplit('/').next().map(str::to_owned);
        Source { name, path: Some(self.root.join(path).display().to_string()) }
    }

    /// Returns a line as the editor counts.
    fn line(&self, line: usize) -> i64 {
        i64::try_from(line).unwrap_or(i64::MAX).saturating_sub(1) + self.first.0
    }

    fn column(&self, column: usize) -> i64 {
        i64::try_from(column).unwrap_or(i64::MAX).saturating_sub(1) + self.first.1
    }

    fn stand(&mut self, reason: Reason) -> io::Result<()> {
        if let State::Running { stands, .. } = &mut self.state {
            *stands = true;
        }
        let reason = match reason {
            Reason::Entry => "entry",
            Reason::Step => "step",
            Reason::Breakpoint => "breakpoint",
            Reason::Pause => "pause",
        };
        self.event("stopped", Some(Stopped { reason, thread_id: THREAD, all_threads_stopped: true }))
    }

    fn finish(&mut self, outcome: Outcome) -> io::Result<()> {
        self.state = State::Over;
        let exit_code = u8::from(outcome.is_err());
        match outcome {
            Ok(lines) => lines.iter().try_for_each(|line| self.say("stdout", line))?,
            Err(problems) => problems.iter().try_for_each(|problem| self.complain(problem))?,
        }
        self.event("exited", Some(Exited { exit_code }))?;
        self.event("terminated", None::<()>)
    }

    fn say(&mut self, category: &'static str, line: &str) -> io::Result<()> {
        let output = format!("{line}\n");
        self.event("output", Some(Output { category, output, source: None, line: None, column: None }))
    }

    fn complain(&mut self, problem: &Problem) -> io::Result<()> {
        let mut output = format!("{problem}\n");
        if let Some(hint) = &problem.hint {
            output.push_str(&format!("  hint: {hint}\n"));
        }
        let (source, line, column) = match &problem.place {
            Place::Spot { path, line, column } => {
                (Some(self.source(path)), Some(self.line(*line)), Some(self.column(*column)))
            }
            _ => (None, None, None),
        };
        self.event("output", Some(Output { category: "stderr", output, source, line, column }))
    }

    fn accept(&mut self, request: &Request) -> io::Result<()> {
        self.send_response(request, None, None::<()>)
    }

    fn respond(&mut self, request: &Request, body: impl Serialize) -> io::Result<()> {
        self.send_response(request, None, Some(body))
    }

    fn refuse(&mut self, request: &Request, why: Refusal) -> io::Result<()> {
        // Braces are the protocol's way to name variables of the text.
        let format = why.replace(['{', '}'], "");
        let error = FailureText { id: FAILURE_ID, format, show_user: true };
        self.send_response(request, Some(why), Some(Failure { error }))
    }

    fn send_response(
        &mut self,
        request: &Request,
        message: Option<String>,
        body: Option<impl Serialize>,
    ) -> io::Result<()> {
        let (request_seq, command) = (request.seq, request.command.clone());
        self.send(Message::Response { request_seq, success: message.is_none(), command, message, body })
    }

    fn event(&mut self, event: &'static str, body: Option<impl Serialize>) -> io::Result<()> {
        self.send(Message::Event { event, body })
    }

    fn send(&mut self, message: Message<impl Serialize>) -> io::Result<()> {
        self.last_seq += 1;
        wire::write(&mut self.output, &Envelope { seq: self.last_seq, message })
    }
}

/// Asks the evaluation and waits for its answer.
fn ask<T>(orders: &Sender<Order>, order: impl FnOnce(Sender<T>) -> Order) -> Result<T, Refusal> {
    let gone = || "the deploy is over".to_owned();
    let (sender, receiver) = channel();
    orders.send(order(sender)).map_err(|_| gone())?;
    receiver.recv().map_err(|_| gone())
}

/// Returns the path from the root of a file of the workspace, with `/`.
fn below(root: &Path, path: &Path) -> Option<String> {
    let (root, path) = (root.canonicalize().ok()?, path.canonicalize().ok()?);
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}
