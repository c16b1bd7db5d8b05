#!/usr/bin/python3
"""A window of WebKitGTK for the scenes, as WebKitWebDriver starts it. WebKit's own small browser forgets
everything at its end and says nothing of what a page complains of; this one keeps what a page stores in
HOME/data, writes complaints to HOME/console.log, and runs HOME/init.js before any
script of a page."""

import os
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import Gtk, WebKit2

home = next(word for word in sys.argv if word.startswith("--home=")).removeprefix("--home=")
log = os.open(f"{home}/console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.dup2(log, 1)
os.dup2(log, 2)

context = WebKit2.WebContext(
    website_data_manager=WebKit2.WebsiteDataManager(
        base_data_directory=f"{home}/data", base_cache_directory=f"{home}/cache"
    )
)
context.set_automation_allowed(True)


def view(_session):
    before = WebKit2.UserContentManager()
    with open(f"{home}/init.js", encoding="utf-8") as script:
        before.add_script(
            WebKit2.UserScript(
                script.read(),
                WebKit2.UserContentInjectedFrames.TOP_FRAME,
                WebKit2.UserScriptInjectionTime.START,
                None,
                None,
            )
        )
    it = WebKit2.WebView(
        web_context=context,
        user_content_manager=before,
        is_controlled_by_automation=True,
        settings=WebKit2.Settings(enable_write_console_messages_to_stdout=True),
    )
    window = Gtk.Window(default_width=768, default_height=1000)
    window.add(it)
    window.show_all()
    it.connect("close", lambda _: window.destroy())
    return it


def started(_context, session):
    # Under which name the driver asks for it.
    info = WebKit2.ApplicationInfo()
    info.set_name("MiniBrowser")
    info.set_version(2, 50, 0)
    session.set_application_info(info)
    session.connect("create-web-view", view)


context.connect("automation-started", started)
Gtk.main()
