"""The harness itself: a small widget of the test's own is seen, driven, counted and read."""

from __future__ import annotations

import pytest

from browser.pages import Lab

pytestmark = pytest.mark.slow

WIDGET = '''
import anywidget, traitlets

class Square(anywidget.AnyWidget):
    """Paints a grey that Python sends as bytes, and counts clicks."""

    _esm = """
    export default { render({ model, el }) {
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 8;
      canvas.className = "square";
      canvas.tabIndex = 0;
      model.on("msg:custom", (content, [buffer]) => {
        const grey = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)[0];
        const context = canvas.getContext("2d");
        context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
        context.fillRect(0, 0, 8, 8);
        canvas.dataset.grey = grey;
      });
      canvas.onclick = () => {
        model.set("clicks", model.get("clicks") + 1);
        model.save_changes();
        model.send({ do: "fetch" });
      };
      el.append(canvas);
    } };
    """
    clicks = traitlets.Int(0).tag(sync=True)

    def _handle_custom_msg(self, content, buffers):
        self.send({"on": "grey"}, [bytes([40 + self.clicks])])

square = Square()
square
'''


def test_a_widget_is_driven_counted_and_read(lab: Lab):
    with lab.notebook(WIDGET):
        canvas = lab.tab.locator("canvas.square")
        for count in (1, 2, 3):
            canvas.click()
            lab.python_becomes("square.clicks", count)
        lab.tab.wait_for_selector("canvas.square[data-grey='43']")
        pixel = canvas.evaluate("c => [...c.getContext('2d').getImageData(4, 4, 1, 1).data]")
        assert pixel == [43, 43, 43, 255]
        assert [message.update for message in lab.comm_messages() if message.update] == [
            {"clicks": count} for count in (1, 2, 3)
        ]
        assert len(lab.tile_requests()) == 3


def test_errors_of_a_page_are_seen(lab: Lab):
    with lab.notebook("1 + 1"):
        assert lab.python("6 * 7") == 42
        script = "() => { console.error('ours'); setTimeout(() => { throw Error('late') }) }"
        lab.tab.evaluate(script)
        lab.until(lambda: len(lab.errors) == 2, "two errors")
        assert "ours" in lab.errors[0]
        assert "late" in lab.errors[1]
        lab.errors.clear()


def test_errors_of_python_are_seen(lab: Lab):
    with lab.notebook("a = 1"), pytest.raises(AssertionError, match="ZeroDivisionError"):
        lab.python("a / 0")
