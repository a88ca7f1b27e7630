//! How long an engine has for a whole answer.
//!
//! The client has a limit of its own, for the head of an answer alone: one whose body stops arriving would be waited for for ever.

use bollard::{Docker, errors::Error};
use tokio::time::timeout;

/// The whole answer, within the time that the client has for its head. Not for streams, which are not to end.
pub(super) fn whole<T>(
    client: &Docker,
    answer: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Error>> {
    // Requests are large, and there are many in a row.
    let answer = timeout(client.timeout(), Box::pin(answer));
    async { answer.await.unwrap_or(Err(Error::RequestTimeoutError)) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use bollard::API_DEFAULT_VERSION;
    use health_spec::config::EngineKind;

    use super::*;
    use crate::shell::causes::causes;
    use crate::shell::runtime::container::address::Connection;
    use crate::shell::runtime::container::consent::Consent;
    use crate::shell::runtime::container::listener::Reach;
    use crate::shell::runtime::container::{inspect, patience, recreate};

    /// An engine that says how long its answer is, and then half of it.
    fn half_an_engine() -> Docker {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut open = Vec::new();
            while let Ok((mut asked, _)) = listener.accept() {
                let _ = asked.read(&mut [0; 4_096]);
                asked
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"Id\"")
                    .unwrap();
                open.push(asked);
            }
        });
        let mut client = Docker::connect_with_http(&address, 60, API_DEFAULT_VERSION).unwrap();
        client.set_timeout(Duration::from_millis(100));
        client
    }

    async fn in_time<T>(call: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(30), call).await.expect("it hangs")
    }

    #[tokio::test]
    async fn an_answer_whose_body_stops_arriving_is_waited_for_so_long_and_no_longer() {
        let client = half_an_engine();
        let consent = Consent::by([("mcp.health.enable".to_owned(), "true".to_owned())].into());
        let said = |error: &dyn std::error::Error| causes(error);
        let unseen = in_time(consent.of(&client, "a")).await.unwrap_err();
        assert!(said(&unseen).ends_with("Timeout error"), "{}", said(&unseen));
        assert_eq!(in_time(patience::to_stop(&client, "a", None)).await, Duration::from_secs(10));
        for error in [
            in_time(inspect::glance(&client, "a")).await.unwrap_err(),
            in_time(inspect::clock(&client)).await.unwrap_err(),
            in_time(inspect::list(&client)).await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::RequestTimeoutError), "{error}");
        }
        let untidy = in_time(Box::pin(recreate::tidy(&client, "a", true, &consent))).await.unwrap_err();
        assert_eq!(said(&untidy), "the engine did not say how the container is: Timeout error");
        for kind in [EngineKind::Docker, EngineKind::Podman] {
            let connection = Connection { client: client.clone(), kind, address: String::new() };
            let reach = Reach { connection, id: "id".to_owned() };
            let shared = in_time(recreate::sharing(&reach, "a", vec!["b".to_owned()])).await;
            assert!(shared.unwrap_or_default().is_empty());
        }
    }
}
