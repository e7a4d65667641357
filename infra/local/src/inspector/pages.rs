//! Serves the folders of static pages that `local.yaml` names.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::aws::answer::{Answer, plain, with_type};

/// The folders by the first segment of their URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pages {
    folders: BTreeMap<String, PathBuf>,
}

impl Pages {
    pub(crate) fn new(folders: BTreeMap<String, PathBuf>) -> Self {
        Self { folders }
    }

    /// Answers a GET of `path`. Returns `None` if no page has this path.
    pub(crate) async fn answer(&self, path: &str) -> Option<Answer> {
        let path = path.strip_prefix('/')?;
        let (name, file) = path.split_once('/').map_or((path, None), |(name, file)| (name, Some(file)));
        let folder = self.folders.get(name)?;
        let Some(file) = file else { return Some(moved_to(&format!("/{name}/"))) };
        Some(match inside(folder, file) {
            None => plain(StatusCode::NOT_FOUND, "there is no such file"),
            Some(path) if file.is_empty() || file.ends_with('/') => serve(&path.join("index.html")).await,
            Some(path) if path.is_dir() => moved_to(&format!("/{name}/{file}/")),
            Some(path) => serve(&path).await,
        })
    }
}

/// Redirects to `location`. Links of a page are relative to its folder, so the URL of the folder
/// must end in a slash.
pub(super) fn moved_to(location: &str) -> Answer {
    let mut answer = plain(StatusCode::MOVED_PERMANENTLY, "the page is a folder");
    if let Ok(location) = HeaderValue::from_str(location) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    answer
}

async fn serve(path: &Path) -> Answer {
    match tokio::fs::read(path).await {
        Ok(content) => {
            let mut answer = with_type(StatusCode::OK, content_type(path), Bytes::from(content));
            // The files may change while a developer works on a page.
            answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            answer
        }
        Err(error) => plain(StatusCode::NOT_FOUND, &format!("{} cannot be read: {error}", path.display())),
    }
}

/// Returns the path of a file in the folder, or `None` for a path that leaves the folder.
fn inside(folder: &Path, file: &str) -> Option<PathBuf> {
    let file = percent_encoding::percent_decode_str(file).decode_utf8().ok()?;
    let relative = Path::new(&*file);
    if !relative.components().all(|component| matches!(component, Component::Normal(_))) {
        return None;
    }
    Some(folder.join(relative))
}

fn content_type(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    HeaderValue::from_static(match extension {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn get(pages: &Pages, path: &str) -> (u16, String) {
        let answer = pages.answer(path).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn files_of_a_folder_are_served_by_the_name_of_the_page_and_nothing_outside_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("pages");
        std::fs::create_dir_all(folder.join("chat")).unwrap();
        std::fs::write(root.path().join("secret"), "secret").unwrap();
        std::fs::write(folder.join("index.html"), "start").unwrap();
        std::fs::write(folder.join("chat/index.html"), "chat").unwrap();
        std::fs::write(folder.join("a b.js"), "script").unwrap();
        let pages = Pages::new(BTreeMap::from([("app".to_owned(), folder)]));
        assert_eq!(get(&pages, "/app/").await, (200, "start".to_owned()));
        assert_eq!(get(&pages, "/app/chat/").await, (200, "chat".to_owned()));
        assert_eq!(get(&pages, "/app/chat").await.0, 301);
        assert_eq!(get(&pages, "/app/a%20b.js").await, (200, "script".to_owned()));
        assert_eq!(get(&pages, "/app").await.0, 301);
        for outside in ["/app/../secret", "/app/%2e%2e/secret", "/app//etc/passwd", "/app/..%2fsecret", "/app/none"] {
            assert_eq!(get(&pages, outside).await.0, 404, "{outside}");
        }
        assert!(pages.answer("/other/").await.is_none());
    }
}
