//! Small dealings with the browser that more than one part of the page has: files, clipboard, focus, the address.

use bytes::Bytes;
use leptos::prelude::*;
use std::ops::Range;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The text of a file of this page's own folder.
///
/// # Errors
/// Why it could not be had.
pub async fn fetch_text(path: &str) -> Result<String, String> {
    let failed = |error: JsValue| format!("{path} could not be fetched: {}", message(&error));
    let response = JsFuture::from(window().fetch_with_str(path)).await.map_err(failed)?;
    let response: web_sys::Response = response.dyn_into().map_err(failed)?;
    if !response.ok() {
        return Err(format!("{path} could not be fetched: the server answered {}", response.status()));
    }
    let text = JsFuture::from(response.text().map_err(failed)?).await.map_err(failed)?;
    Ok(text.as_string().unwrap_or_default())
}

pub fn message(error: &JsValue) -> String {
    let said = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    said.or_else(|| error.as_string()).unwrap_or_else(|| "for a reason that the browser keeps to itself".to_owned())
}

/// The text of a file that the learner chose or dropped.
///
/// # Errors
/// Why it cannot be read.
pub async fn read_file(file: &web_sys::File, bytes_max: usize) -> Result<String, String> {
    if file.size() > bytes_max as f64 {
        return Err(format!("{} has {} bytes; at most {bytes_max} are read", file.name(), file.size()));
    }
    let text = JsFuture::from(file.text()).await.map_err(|error| message(&error))?;
    Ok(text.as_string().unwrap_or_default())
}

/// A part of a file that the learner chose or dropped; less of it where the file ends.
///
/// # Errors
/// Why it cannot be read.
pub async fn read_bytes(file: &web_sys::File, range: Range<u64>) -> Result<Bytes, String> {
    let part = file.slice_with_f64_and_f64(range.start as f64, range.end as f64).map_err(|error| message(&error))?;
    let buffer = JsFuture::from(part.array_buffer()).await.map_err(|error| message(&error))?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec().into())
}

/// Milliseconds of the browser's clock, from an arbitrary moment.
pub fn now() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

/// Scrolls a row sideways no farther than it takes to see one of its elements.
pub fn reveal(id: &str) {
    let found = window().document().and_then(|document| document.get_element_by_id(id));
    let Some(element) = found.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) else { return };
    let Some(row) = element.parent_element() else { return };
    let (own, all) = (element.get_bounding_client_rect(), row.get_bounding_client_rect());
    let beyond = (own.right() - all.right()).max(0.0) + (own.left() - all.left()).min(0.0);
    if beyond != 0.0 {
        row.set_scroll_left(row.scroll_left() + beyond.round() as i32);
    }
}

/// Gives the learner a text as a file.
pub fn download(name: &str, text: &str) {
    let parts = js_sys::Array::of1(&text.into());
    let Ok(blob) = web_sys::Blob::new_with_str_sequence(&parts) else { return };
    let Ok(url) = web_sys::Url::create_object_url_with_blob(&blob) else { return };
    let Ok(link) = document().create_element("a").map(JsCast::unchecked_into::<web_sys::HtmlAnchorElement>) else {
        return;
    };
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The download has begun when the click returns.
    web_sys::Url::revoke_object_url(&url).ok();
}

/// Puts a text on the clipboard; `false` where the browser does not let the page.
pub async fn copy(text: &str) -> bool {
    // Not there at all on plain http.
    let clipboard = js_sys::Reflect::get(window().navigator().as_ref(), &"clipboard".into());
    let Some(clipboard) = clipboard.ok().filter(|clipboard| !clipboard.is_undefined()) else { return false };
    JsFuture::from(clipboard.unchecked_into::<web_sys::Clipboard>().write_text(text)).await.is_ok()
}

pub fn focus(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        // Refused only for elements that take no focus.
        element.unchecked_into::<web_sys::HtmlElement>().focus().ok();
    }
}

/// The part of the address behind `#`, as pairs.
pub fn fragment() -> Vec<(String, String)> {
    let hash = window().location().hash().unwrap_or_default();
    let pairs = hash.trim_start_matches('#').split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Writes the address without going anywhere.
pub fn set_fragment(fragment: &str) {
    let location = window().location();
    let (path, search) = (location.pathname().unwrap_or_default(), location.search().unwrap_or_default());
    let hash = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    if let Ok(history) = window().history() {
        // Refused only to pages that write it hundreds of times a minute.
        history.replace_state_with_url(&JsValue::NULL, "", Some(&format!("{path}{search}{hash}"))).ok();
    }
}

/// The address of this page, with this behind `#`.
pub fn address(fragment: &str) -> String {
    let href = window().location().href().unwrap_or_default();
    format!("{}#{fragment}", href.split('#').next().unwrap_or_default())
}

pub fn prefers_reduced_motion() -> bool {
    let query = window().match_media("(prefers-reduced-motion: reduce)");
    query.ok().flatten().is_some_and(|query| query.matches())
}
