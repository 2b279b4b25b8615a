//! The page's entry point. The engine without the page is the command `lab`.

use control_plane_lab::ui::App;

fn main() {
    console_error_panic_hook::set_once();
    leptos::mount::mount_to_body(App);
}
