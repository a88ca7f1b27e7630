//! Answers that pass: the engine is asked again, and says something else.

use std::time::Duration;

use bollard::{Docker, errors::Error, models::ContainerInspectResponse, query_parameters::InspectContainerOptions};

use crate::shell::runtime::container::answer::whole;

/// For about a fifth of a second after a death Podman has a word for the state that Docker has not; then it is asked again.
const BETWEEN_WORDS: Duration = Duration::from_millis(100);
const LOOKS: u32 = 50;

/// Asks the engine again while its answer is one that passes.
pub async fn until_passed<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    let mut looks = 0..LOOKS;
    loop {
        match Box::pin(ask()).await {
            Err(error) if is_passing(&error) && looks.next().is_some() => tokio::time::sleep(BETWEEN_WORDS).await,
            answered => return answered,
        }
    }
}

/// All that the engine says of one container, whatever state it passes through.
pub async fn found(client: &Docker, container: &str) -> Result<ContainerInspectResponse, Error> {
    until_passed(|| whole(client, client.inspect_container(container, None::<InspectContainerOptions>))).await
}

/// The engine has answered, and will answer otherwise soon: with a word that we do not know, or that one of its containers is just
/// being removed, of which Podman makes a fault of its own (`no such container`, 500).
pub fn is_passing(error: &Error) -> bool {
    match error {
        Error::JsonDataError { .. } | Error::JsonSerdeError { .. } => true,
        Error::DockerResponseServerError { status_code: 500, message } => message.contains("no such container"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, http::Uri};
    use bollard::API_DEFAULT_VERSION;
    use tokio::net::TcpListener;

    use super::*;
    use crate::shell::runtime::container::{consent::Consent, recreate};

    /// As Podman tells it of one that has just ended: two of three times, when it is asked for one, and the first time, when for all.
    #[tokio::test]
    async fn a_state_that_passes_is_asked_for_again() {
        let (one, all) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (asked_one, asked_all) = (Arc::clone(&one), Arc::clone(&all));
        let router = Router::new().fallback(move |uri: Uri| async move {
            if uri.path().ends_with("/containers/json") {
                let is_first = asked_all.fetch_add(1, Ordering::Relaxed) == 0;
                return if is_first { r#"[{"Id": "b0db", "State": "stopped"}]"# } else { "[]" }.to_owned();
            }
            let status = if asked_one.fetch_add(1, Ordering::Relaxed) % 3 < 2 { "stopped" } else { "running" };
            format!(
                r#"{{"Id": "b0db", "Name": "a", "State": {{"Status": "{status}", "Running": true}}, "Config": {{"Labels": {{"b": "c"}}}}}}"#
            )
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let client = Docker::connect_with_http(&address, 30, API_DEFAULT_VERSION).unwrap();
        let consent = Consent::by([("b".to_owned(), "c".to_owned())].into());
        let serving = async { axum::serve(listener, router).await };
        let asking = async {
            assert_eq!(found(&client, "a").await.unwrap().id.as_deref(), Some("b0db"));
            consent.of(&client, "a").await.unwrap();
            Box::pin(recreate::tidy(&client, "a", true, &consent)).await.unwrap();
        };
        tokio::select! {
            () = asking => {}
            ended = serving => panic!("{ended:?}"),
        }
        assert_eq!((one.load(Ordering::Relaxed), all.load(Ordering::Relaxed)), (9, 2));
    }
}
