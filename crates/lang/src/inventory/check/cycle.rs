//! Services that need each other in a circle.

use std::collections::HashMap;

use model::{Code, Problem, Service};

use crate::inventory::check::Check;

impl Check<'_> {
    /// Reports every circle of dependencies once, at its first service by name.
    pub fn cycles(&mut self, services: &[Service]) {
        let index: HashMap<&str, usize> =
            services.iter().enumerate().map(|(i, it)| (it.name.as_str(), i)).collect();
        let next = |at: usize, nth: usize| {
            let name = services[at].depends_on.get(nth)?;
            Some(index.get(name.as_str()).copied())
        };
        let mut state = vec![State::New; services.len()];
        for start in 0..services.len() {
            // A depth-first walk with its own stack: (service, how many of its dependencies are done).
            let mut path = vec![(start, 0)];
            while let Some((at, nth)) = path.last_mut() {
                if state[*at] == State::Done {
                    path.pop();
                    continue;
                }
                state[*at] = State::OnPath;
                let Some(needed) = next(*at, *nth) else {
                    state[*at] = State::Done;
                    path.pop();
                    continue;
                };
                *nth += 1;
                match needed.map(|needed| (needed, state[needed])) {
                    Some((needed, State::New)) => path.push((needed, 0)),
                    Some((needed, State::OnPath)) => {
                        let circle: Vec<usize> =
                            path.iter().map(|(at, _)| *at).skip_while(|at| *at != needed).collect();
                        self.report_cycle(services, circle);
                    }
                    _ => {}
                }
            }
        }
    }

    fn report_cycle(&mut self, services: &[Service], mut circle: Vec<usize>) {
        let first = (0..circle.len()).min_by_key(|nth| &services[circle[*nth]].name).unwrap_or(0);
        circle.rotate_left(first);
        let Some(start) = circle.first().map(|at| &services[*at]) else { return };
        let names: Vec<&str> = circle.iter().map(|at| services[*at].name.as_str()).collect();
        let message =
            format!("services depend on each other in a circle: {} -> {}", names.join(" -> "), start.name);
        self.problems.push(Problem::new(Code::InventoryCycle, start.place.clone(), message));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnPath,
    Done,
}
