//! The server on this machine from which the page loads, and to which it posts.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;
use tiny_http::{Header, Method, Request, Response};

/// How long to wait for a request before looking after other things.
const WAIT: Duration = Duration::from_millis(500);

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// What the page posts.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Message {
    /// It is about to run these cases.
    Names { names: Vec<String> },
    /// A case has ended.
    Result {
        name: String,
        failure: Option<String>,
    },
    /// It cannot go on.
    Error { message: String },
    /// All cases have ended.
    Done,
}

/// Serves the page and the files of one folder.
pub struct Server {
    http: tiny_http::Server,
    folder: PathBuf,
}

impl Server {
    /// Listens on a free port, for this machine alone.
    pub fn start(folder: &Path) -> Result<Self> {
        let http = tiny_http::Server::http("127.0.0.1:0")
            .map_err(|error| anyhow!("cannot serve the page: {error}"))?;
        let folder = folder.to_owned();
        Ok(Self { http, folder })
    }

    /// Address of the page.
    pub fn address(&self) -> String {
        // WebGPU exists in secure contexts; http is one on this machine.
        format!("http://{}/", self.http.server_addr())
    }

    /// Answers one request if one comes soon; the message, if it was one.
    pub fn message(&self) -> Result<Option<Message>> {
        match self.http.recv_timeout(WAIT)? {
            Some(request) if *request.method() == Method::Post => read(request).map(Some),
            Some(request) => self.serve(request).map(|()| None),
            None => Ok(None),
        }
    }

    fn serve(&self, request: Request) -> Result<()> {
        let path = request.url().split('?').next().unwrap_or_default();
        let path = path.trim_start_matches('/').to_owned();
        let text = |text, name| Response::from_string(text).with_header(kind(name));
        let answered = match path.as_str() {
            "" => request.respond(text(PAGE, "page.html")),
            "page.js" => request.respond(text(SCRIPT, "page.js")),
            _ if path.split('/').any(|part| part == "..") => request.respond(Response::empty(404)),
            _ => match File::open(self.folder.join(&path)) {
                Ok(file) => request.respond(Response::from_file(file).with_header(kind(&path))),
                Err(_) => request.respond(Response::empty(404)),
            },
        };
        // A page that went away needs no answer.
        answered.or(Ok(()))
    }
}

fn read(mut request: Request) -> Result<Message> {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body)?;
    let message = serde_json::from_str(&body).with_context(|| format!("message `{body}`"))?;
    request
        .respond(Response::empty(204))
        .or(Ok::<_, anyhow::Error>(()))?;
    Ok(message)
}

/// The content type by the ending of a file's name. Browsers ask for the right one.
fn kind(path: &str) -> Header {
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    };
    Header::from_bytes("Content-Type", kind).expect("visible characters")
}
