//! Room for a recreate: of two that are kept nobody could tell which one is to be put back.

use bollard::Docker;
use bollard::models::ContainerInspectResponse;

use super::layout::{self, Layout, label_of, name_of};
use super::{Container, RecreateError, remove};
use crate::shell::causes::causes;
use crate::shell::runtime::container::failure::plain;

impl Container {
    /// Before it is replaced: of one that has been well, what it has replaced itself is to go first, for of two that are kept nobody could
    /// tell which one is to be put back. Nothing is done to the one that runs.
    pub async fn make_room(&self) -> Result<(), RecreateError> {
        if self.unsettled {
            return Ok(());
        }
        let client = self.reach().await?.connection.client;
        let Layout { current: Some(current), old: Some(old) } = Layout::of(&client, &self.wanted).await? else { return Ok(()) };
        // A stranger is named by the recreate itself.
        if label_of(&current) == old.id.as_deref() { self.give_up(&client, &old).await } else { Ok(()) }
    }

    pub(super) async fn give_up(&self, client: &Docker, old: &ContainerInspectResponse) -> Result<(), RecreateError> {
        let id = old.id.as_deref().filter(|_| !layout::is_running(old));
        let removed = match id {
            Some(id) => remove(client, id).await.map_err(|error| plain(causes(&error))),
            None => Err("somebody has started it".to_owned()),
        };
        let (name, kept) = (self.wanted.clone(), name_of(old).to_owned());
        removed.map_err(|why| RecreateError::StillKept { name, kept, why })
    }
}
