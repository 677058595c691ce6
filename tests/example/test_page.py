"""What the page of examples/web can do, driven in Chromium against all that is behind it."""

from typing import Any

from selenium.webdriver import Keys

from support.example import PASSWORD, Device, Example
from support.tasks_page import TasksPage
from support.waiting import eventually

SCHEMES = {
    "light": {},
    "dark": {"dark": True},
    "phone": {"phone": True},
    "phone-dark": {"phone": True, "dark": True},
}

SHOWN: list[dict[str, Any]] = [
    {"title": "Return the library books", "is_completed": True},
    {"title": "Book the train to Lisbon", "description": "The early one, if it is under 60 €."},
    {"title": "Water the tomatoes", "is_completed": True},
    {"title": "Ask Bob about the lease", "description": "He knows whom to call."},
    {"title": "Plan Saturday's dinner", "description": "Six people, two without meat."},
    {"title": "Buy milk"},
]


def test_a_stranger_signs_up_and_out_and_in_again(page: TasksPage) -> None:
    page.browser.get(page.example.url)
    page.fill(name="Alice", email="alice@example.com", password=PASSWORD)
    page.click("Create account", kind="submit")
    page.says("Nothing here yet")
    page.add("Buy milk")
    page.shows("Buy milk")
    page.click("Account of Alice")
    page.click("Sign out")
    page.says("You are signed out.")
    page.expected.append("401 .Unauthorized")
    page.fill(email="alice@example.com", password="a wrong password")
    page.click("Sign in", kind="submit")
    page.says("Invalid email or password")
    page.fill(password=PASSWORD)
    page.click("Sign in", kind="submit")
    page.shows("Buy milk")


def test_the_list_has_no_end(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    titles = [f"Task {number}" for number in range(1, 101)]
    alice.create(*({"title": title} for title in titles))
    page.browser.refresh()
    newest = [*reversed(titles)]
    eventually(lambda: page.titles()[:1] == ["Task 100"], "the list is there")
    assert page.titles() == newest[: len(page.titles())] != newest

    def scrolled() -> bool:
        page.press(Keys.END)
        return page.titles() == newest

    eventually(scrolled, "all tasks are there after scrolling to them")


def test_a_task_is_created_edited_done_deleted_and_brought_back_by_keyboard(
    page: TasksPage,
) -> None:
    alice = page.sign_up("Alice")
    page.press("n", "Buy milk", Keys.ENTER, "Read a book", Keys.ENTER)
    page.shows("Read a book", "Buy milk")
    page.press(Keys.ESCAPE, Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    page.press(Keys.END, " and bread", Keys.TAB, "Two of each")
    page.chord(Keys.CONTROL, Keys.ENTER)
    page.shows("Read a book", "Buy milk and bread")
    page.says("Two of each")
    page.press("x")
    eventually(lambda: page.is_done("Buy milk and bread"), "it is done")
    page.press(Keys.ARROW_UP, Keys.DELETE)
    page.shows("Buy milk and bread")
    page.says("“Read a book” was deleted.")
    page.press("u")
    page.shows("Read a book", "Buy milk and bread")
    eventually(lambda: len(alice.titles()) == 2, "nothing was lost")


def test_a_deletion_takes_effect_though_its_tab_is_closed(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    page.add("Buy milk")
    page.shows("Buy milk")
    page.click("Delete: Buy milk")
    page.shows()
    page.browser.refresh()
    page.says("Nothing here yet")
    eventually(lambda: alice.titles() == [], "it is deleted")


def test_a_search_finds_in_titles_and_notes(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    alice.create({"title": "Buy milk"}, {"title": "Crème brûlée"}, {"title": "Call Bob"})
    alice.create({"title": "Dinner", "description": "crème, sugar"})
    page.shows("Dinner", "Call Bob", "Crème brûlée", "Buy milk")
    page.press("/", "CRÈME")
    page.shows("Dinner", "Crème brûlée")
    page.says("2 found for CRÈME")
    page.press("xyz")
    page.says("Nothing found for “CRÈMExyz”.")
    page.press(Keys.ESCAPE)
    page.shows("Dinner", "Call Bob", "Crème brûlée", "Buy milk")


def test_a_search_shows_what_the_service_finds(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    alice.create({"title": "Die Straße fegen"})
    page.shows("Die Straße fegen")
    page.press("/", "STRASSE")
    page.says("1 found for STRASSE")
    page.shows("Die Straße fegen")


def test_an_edit_outlives_what_another_device_does_and_changes_nothing_else(
    page: TasksPage,
) -> None:
    """The list does not tell the key of a task, and the change does."""
    alice = page.sign_up("Alice")
    alice.create({"key": "milk", "title": "Buy milk", "description": "One\r\nTwo"})
    page.browser.refresh()
    page.edit("Buy milk")
    page.press(Keys.END, " today")
    alice.change("Buy milk", is_completed=True)
    page.says("has just changed on another device")
    page.chord(Keys.CONTROL, Keys.ENTER)
    eventually(lambda: alice.titles() == ["Buy milk today"], "it is saved")
    assert alice.description("Buy milk today") == "One\r\nTwo"


def test_the_focus_stays_in_the_page_when_its_row_goes(page: TasksPage) -> None:
    page.sign_up("Alice")
    page.add("Buy milk")
    page.shows("Buy milk")
    page.press(Keys.ESCAPE, Keys.ARROW_DOWN, Keys.DELETE)
    page.shows()
    assert page.browser.switch_to.active_element.tag_name == "h1"


def test_another_user_who_signs_in_in_a_tab_is_the_user_of_all(page: TasksPage) -> None:
    bob = Device(page.example, "Bob", "bob@example.com")
    bob.create({"title": "Call Alice"})
    page.sign_up("Alice")
    page.add("Buy milk")
    page.shows("Buy milk")
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.browser.get(page.example.url)
    page.click("Account of Alice")
    page.click("Sign out")
    page.says("You are signed out.")
    page.expected.append("401 .Unauthorized")  # of the other tab's token
    page.fill(email="bob@example.com", password=PASSWORD)
    page.click("Sign in", kind="submit")
    page.shows("Call Alice")
    page.browser.close()
    page.browser.switch_to.window(first)
    page.shows("Call Alice")
    page.add("Buy tea")
    eventually(lambda: bob.titles() == ["Buy tea", "Call Alice"], "it is Bob's")


def test_a_filter_shows_what_is_open_and_what_is_done(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    alice.create({"title": "Buy milk"}, {"title": "Call Bob"})
    page.shows("Call Bob", "Buy milk")
    page.toggle("Buy milk")
    page.find("fieldset label:nth-of-type(2)").click()
    page.shows("Call Bob")
    page.toggle("Call Bob")
    page.says("All done.")
    page.find("fieldset label:nth-of-type(3)").click()
    page.shows("Call Bob", "Buy milk")


def test_both_edits_are_shown_where_they_differ_and_the_user_decides(
    page: TasksPage, phone: TasksPage
) -> None:
    alice = page.sign_up("Alice")
    phone.sign_in(alice)
    page.add("Buy milk")
    phone.shows("Buy milk")
    page.edit("Buy milk")
    phone.edit("Buy milk")
    phone.fill(title="Buy oat milk", description="From the market")
    phone.click("Save", kind="submit")
    phone.shows("Buy oat milk")
    page.says("has just changed on another device")
    page.fill(title="Buy two litres of milk")
    page.click("Save", kind="submit")
    page.says("“Buy milk” was edited elsewhere too")
    page.says("From the market")
    assert page.axe() == []
    page.picture("conflict")
    page.click("Save", kind="submit")
    page.shows("Buy two litres of milk")
    phone.shows("Buy two litres of milk")
    phone.says("From the market")


def test_edits_of_different_fields_are_both_kept(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    alice.create({"title": "Buy milk"})
    page.edit("Buy milk")
    alice.change("Buy milk", description="Two litres")
    page.says("has just changed on another device")
    page.fill(title="Buy oat milk")
    page.click("Save", kind="submit")
    page.shows("Buy oat milk")
    page.says("Two litres")
    eventually(lambda: alice.titles() == ["Buy oat milk"], "it is saved")


def test_what_is_done_offline_waits_and_is_sent(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    page.add("Buy milk")
    eventually(lambda: alice.titles() == ["Buy milk"], "it is saved")
    with page.offline():
        page.says("You are offline.")
        page.add("Call Bob")
        page.shows("Call Bob", "Buy milk")
        page.toggle("Buy milk")
        page.says("2 changes wait here and will be sent.")
        page.picture("offline")
        assert len(page.browser.find_elements("css selector", ".waiting")) == 2
        assert alice.titles() == ["Buy milk"]
    eventually(lambda: alice.titles() == ["Call Bob", "Buy milk"], "it is sent")
    eventually(lambda: not page.browser.find_elements("css selector", ".waiting"), "none waits")
    assert page.is_done("Buy milk")


def test_tabs_and_devices_are_in_step(page: TasksPage, phone: TasksPage) -> None:
    alice = page.sign_up("Alice")
    phone.sign_in(alice)
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.browser.get(page.example.url)
    page.add("Buy milk")
    phone.shows("Buy milk")
    phone.toggle("Buy milk")
    eventually(lambda: page.is_done("Buy milk"), "the second tab shows it")
    page.browser.close()
    page.browser.switch_to.window(first)
    page.shows("Buy milk")
    assert page.is_done("Buy milk")
    phone.click("Delete: Buy milk")
    page.shows()


def test_the_service_may_stop_and_start(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    page.expected.append("502 .Bad Gateway")  # of the proxy
    with page.example.without_service():
        page.says("You are offline.")
        page.add("Buy milk")
        page.says("1 change waits here and will be sent.")
    page.try_now()
    page.says("In step")
    eventually(lambda: alice.titles() == ["Buy milk"], "it is sent")


def test_a_deleted_account_ends_on_the_first_page(page: TasksPage, phone: TasksPage) -> None:
    alice = page.sign_up("Alice")
    phone.sign_in(alice)
    page.add("Buy milk")
    phone.shows("Buy milk")
    phone.click("Account of Alice")
    phone.click("Delete account")
    phone.click("Delete all of it for good")
    phone.says("Your account and its tasks are deleted.")
    page.expected.append("404 .Not Found")
    page.add("Call Bob")
    page.says("This account was deleted.")
    page.browser.refresh()
    page.says("Create account")


def test_everything_is_stopped_and_started_with_the_same_users_and_tasks(page: TasksPage) -> None:
    alice = page.sign_up("Alice")
    page.add("Buy milk")
    eventually(lambda: alice.titles() == ["Buy milk"], "it is saved")
    page.expected.append(r"net::ERR_|502 .Bad Gateway")
    page.example.restart()
    page.browser.refresh()
    page.shows("Buy milk")
    page.says("In step")


def test_a_port_that_is_taken_is_passed_over(example: Example) -> None:
    assert int(example.url.rpartition(":")[2]) > example.taken_port


def test_axe_finds_nothing_in_light_and_dark_and_on_a_phone(page: TasksPage) -> None:
    page.browser.get("about:blank")
    page.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
    page.browser.get(page.example.url)
    page.says("Create account")
    assert page.axe() == []
    alice = page.sign_up("Alice")
    alice.create(*SHOWN)
    page.shows(*(str(task["title"]) for task in reversed(SHOWN)))
    for name, scheme in SCHEMES.items():
        page.shape(**scheme)
        assert page.axe() == [], name
        page.picture(name)
    page.shape()
    page.edit("Plan Saturday's dinner")
    page.click("Account of Alice")
    assert page.axe() == [], "editor and account"
