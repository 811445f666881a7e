//! The calls of one path by their methods. HEAD is answered wherever GET is; what is not there is answered 405 with `Allow`.

use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, guard, web};

/// Answers a method that a path does not have; `Allow` is added.
pub type NotAllowed = fn(&HttpRequest) -> HttpResponse;

/// A path with its calls.
pub struct Calls {
    path: String,
    allowed: Vec<Method>,
    routes: Vec<Route>,
}

impl Calls {
    pub fn of(path: impl Into<String>) -> Self {
        Self { path: path.into(), allowed: Vec::new(), routes: Vec::new() }
    }

    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.allowed.extend([Method::GET, Method::HEAD]);
        // The server leaves out the body of an answer to HEAD, and says how long it would be.
        let is_read = guard::Any(guard::Get()).or(guard::Head());
        self.routes.push(web::route().guard(is_read).to(handler));
        self
    }

    pub fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routes.push(web::method(method.clone()).to(handler));
        self.allowed.push(method);
        self
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn methods(&self) -> impl Iterator<Item = &str> {
        self.allowed.iter().map(Method::as_str)
    }

    pub fn resource(self, not_allowed: NotAllowed) -> Resource {
        let allowed: Vec<&str> = self.methods().collect();
        // Names of methods are letters.
        let allowed = HeaderValue::from_str(&allowed.join(", ")).ok();
        let otherwise = move |request: HttpRequest| {
            let mut response = not_allowed(&request);
            if let Some(allowed) = allowed.clone() {
                response.headers_mut().insert(ALLOW, allowed);
            }
            std::future::ready(response)
        };
        let resource = web::resource(self.path).default_service(web::to(otherwise));
        self.routes.into_iter().fold(resource, Resource::route)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};
    use actix_web::{App, body};

    use super::*;

    #[actix_web::test]
    async fn each_method_is_answered_or_refused_with_those_there_are() {
        let calls = Calls::of("/x")
            .get(|| async { HttpResponse::Ok().body("shown") })
            .on(Method::POST, || async { HttpResponse::Created().finish() });
        let calls = calls.resource(|_| HttpResponse::MethodNotAllowed().body("no"));
        let app = init_service(App::new().service(calls)).await;
        for (method, status) in [
            (Method::GET, 200),
            (Method::HEAD, 200),
            (Method::POST, 201),
            (Method::PUT, 405),
            (Method::OPTIONS, 405),
            (Method::TRACE, 405),
            (Method::from_bytes(b"BREW").unwrap(), 405),
        ] {
            let request = TestRequest::with_uri("/x").method(method.clone()).to_request();
            let response = call_service(&app, request).await;
            assert_eq!(response.status().as_u16(), status, "{method}");
            let allowed = response.headers().get(ALLOW).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(allowed.as_deref(), (status == 405).then_some("GET, HEAD, POST"), "{method}");
            let body = body::to_bytes(response.into_body()).await.unwrap();
            assert_eq!(&body[..] == b"no", status == 405);
        }
        let request = TestRequest::with_uri("/y").to_request();
        assert_eq!(call_service(&app, request).await.status().as_u16(), 404);
    }
}
