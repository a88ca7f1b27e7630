//! `/health` as an axum router.

use axum::Router;
use axum::http::{HeaderMap, Method};
use axum::routing::any;

use crate::Health;
use crate::answer::answer;

impl Health {
    /// `GET` and `HEAD /health`; other methods are a 405. Merge it, or nest it below any prefix.
    ///
    /// A router with state merges it after `with_state`. `GET /` is not part of it, so that it cannot conflict with
    /// a route of yours; [`Health::layer`] answers that too.
    ///
    /// ```
    /// use axum::Router;
    /// use health_endpoint::Health;
    ///
    /// let health = Health::builder("my-server").build();
    /// let app: Router = Router::new().nest("/admin", health.router()); // GET /admin/health
    /// ```
    pub fn router(&self) -> Router {
        let health = self.clone();
        let respond = move |method: Method, headers: HeaderMap| async move { answer(&health, &method, &headers) };
        Router::new().route("/health", any(respond))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, Response};
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::CheckError;

    async fn ask(app: &Router, method: &str, path: &str, accept: Option<&str>) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn body(response: Response<Body>) -> Vec<u8> {
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn get_answers_a_valid_body_that_is_not_stored() {
        let health = Health::builder("a").version("1.2.3").check("database", || async { Ok(()) }).build();
        health.settled().await;
        let app = Router::new().merge(health.router());
        let response = ask(&app, "GET", "/health", None).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), Some("application/json"));
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        let body: serde_json::Value = serde_json::from_slice(&body(response).await).unwrap();
        assert_eq!(health_spec::validate::validate(&body), []);
        assert_eq!(body["checks"], serde_json::json!({"database": "ok"}));
        assert_eq!((&body["version"], &body["metadata"]["name"]), (&"1.2.3".into(), &"a".into()));
    }

    #[tokio::test]
    async fn head_has_the_headers_and_no_body() {
        let app = Router::new().merge(Health::builder("a").build().router());
        let head = ask(&app, "HEAD", "/health", None).await;
        let get = ask(&app, "GET", "/health", None).await;
        assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
        let length = header(&get, "content-length").map(|length| length.parse().unwrap());
        assert_eq!(length, Some(body(get).await.len()));
        assert_eq!(body(head).await, b"");
    }

    #[tokio::test]
    async fn other_methods_are_told_which_ones_there_are() {
        let app = Router::new().merge(Health::builder("a").build().router());
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let response = ask(&app, method, "/health", None).await;
            assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, Some("GET, HEAD")), "{method}");
        }
    }

    #[tokio::test]
    async fn without_the_token_it_says_nothing_to_any_method() {
        let app = Health::builder("a").bearer_token("secret").build().router();
        for method in ["GET", "HEAD", "POST"] {
            let response = ask(&app, method, "/health", None).await;
            assert_eq!((response.status().as_u16(), header(&response, "www-authenticate")), (401, Some("Bearer")), "{method}");
            assert_eq!(body(response).await, b"");
        }
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 405)] {
            let request = Request::builder().method(method).uri("/health").header("authorization", "Bearer secret");
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{method}");
        }
    }

    #[tokio::test]
    async fn the_media_type_is_the_one_asked_for() {
        let app = Router::new().merge(Health::builder("a").build().router());
        let response = ask(&app, "GET", "/health", Some("application/health+json")).await;
        assert_eq!(header(&response, "content-type"), Some("application/health+json"));
    }

    #[tokio::test(start_paused = true)]
    async fn down_and_draining_are_503() {
        let down = Health::builder("a").check("database", || async { Err(CheckError::down("refused")) }).build();
        down.settled().await;
        let response = ask(&down.router(), "GET", "/health", None).await;
        assert_eq!(response.status(), 503);
        let draining = Health::builder("a").build();
        for (flag, code) in [(true, 503), (false, 200)] {
            draining.set_draining(flag);
            assert_eq!(ask(&draining.router(), "HEAD", "/health", None).await.status().as_u16(), code);
        }
    }

    /// What an app with the layer as its last one answers.
    async fn layered(app: Router, path: &str, accept: &str) -> (u16, Vec<u8>) {
        let app = app.layer(Health::builder("a").build().layer());
        let response = ask(&app, "GET", path, Some(accept)).await;
        (response.status().as_u16(), body(response).await)
    }

    #[tokio::test]
    async fn as_the_last_layer_of_a_router_it_answers_where_no_route_is() {
        let (any, named) = ("*/*", "application/health+json");
        let with_root = || Router::new().route("/", get(|| async { "mine" })).fallback(|| async { "elsewhere" });
        for app in [Router::new, with_root] {
            assert_eq!(layered(app(), "/health", any).await.0, 200);
            assert!(layered(app(), "/", named).await.1.starts_with(b"{"));
        }
        assert_eq!(layered(Router::new(), "/", any).await.0, 404);
        assert_eq!(layered(with_root(), "/", any).await.1, b"mine");
        assert_eq!(layered(with_root(), "/other", named).await.1, b"elsewhere");
    }

    #[tokio::test]
    async fn it_nests_and_leaves_other_routes_alone() {
        let health = Health::builder("a").build();
        let app = Router::new().route("/", get(|| async { "mine" })).nest("/admin", health.router()).merge(health.router());
        for (path, code) in [("/health", 200), ("/admin/health", 200), ("/admin", 404), ("/other", 404)] {
            assert_eq!(ask(&app, "GET", path, None).await.status().as_u16(), code, "{path}");
        }
        assert_eq!(body(ask(&app, "GET", "/", Some("application/health+json")).await).await, b"mine");
    }
}
