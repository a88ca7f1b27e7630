//! What the driver lets others see of what happened: the book of incidents, and those who gather evidence.

use health_spec::status::Observed;
use health_spec::{Event, EventKind};

use super::Driver;
use crate::machine::{Death, Happened, Input, ServerId, Word};
use crate::shell::evidence::told;
use crate::shell::incidents::Teller;
use crate::shell::secrets::Mask;

impl Driver {
    /// The incidents change with the events that they are made of, before either is written.
    pub(super) fn fold(&self, happened: &[Happened], events: &[(Event, String)]) {
        for (it, (event, _)) in happened.iter().zip(events) {
            self.actions.collector.book.fold(event, || self.teller(it.server));
        }
    }

    fn teller(&self, server: Option<ServerId>) -> Teller {
        let subject = server.and_then(|server| self.actions.collector.subject(server));
        subject
            .map(|subject| Teller { death: subject.notices_death(), mask: Mask::clone(&subject.known_mask()) })
            .unwrap_or_default()
    }

    /// What an engine says of a death may quote what it was given. It becomes an event, so it is hidden before.
    pub(super) fn hide(&self, input: &mut Input) {
        if let Input::Reported(server, Word::Died(Death { error: Some(error), .. })) = input {
            *error = told(error, &self.teller(Some(*server)).mask);
        }
    }

    /// Looks are begun in the order in which things happened, and taken beside everything else.
    pub(super) fn gather(&self, happened: &[Happened]) {
        let collector = &self.actions.collector;
        for it in happened {
            let Some(server) = it.server else { continue };
            match (&it.kind, it.incident) {
                (EventKind::ServerDown { .. }, Some(incident)) => collector.opened(server, incident),
                (EventKind::RecoveryFailed { attempt, .. }, Some(incident)) => collector.attempted(server, incident, *attempt),
                (EventKind::RecoverySuccessful { attempts, .. }, Some(incident)) => {
                    collector.attempted(server, incident, *attempts);
                }
                (EventKind::ServerStopped { .. }, _) if self.fleet.servers()[server.0].state().unsettled => {
                    self.actions.tell_of_kept(server, self.name(server.0));
                }
                (EventKind::StatusChanged { status: Observed::Ok, .. } | EventKind::ServerRestarted { .. }, _) => {
                    collector.well(server);
                }
                _ => {}
            }
        }
    }
}
