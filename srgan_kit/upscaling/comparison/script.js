"use strict";
const MOST = 32; // screen pixels for one of the image's
const STEP = 1.5;

class Stage {
  constructor(root) {
    this.root = root;
    this.window = root.querySelector(".window");
    this.handle = root.querySelector(".handle");
    this.output = root.querySelector("output");
    this.at = 50; // per cent of the window that shows the input
    this.zoom = 1; // times the size that fits
    this.x = this.y = 0; // where the image's corner is, in screen pixels
    this.pointers = new Map();
    this.handle.addEventListener("keydown", (event) => this.key(event));
    this.window.addEventListener("pointerdown", (event) => this.down(event));
    this.window.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.window.addEventListener(name, (event) => this.up(event));
    this.window.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.window.addEventListener("dblclick", (event) => {
      if (event.target === this.handle) return;
      this.zoomTo(this.zoom > 1.01 ? 1 : this.pixelZoom(), ...this.place(event));
    });
    root.querySelector(".tools").addEventListener("click", (event) => this.press(event.target.dataset.do));
    new ResizeObserver(() => this.draw()).observe(this.window);
    this.draw();
  }

  // The window with fractions of pixels.
  box() {
    return this.window.getBoundingClientRect();
  }

  // The zoom at which a pixel of the image is a pixel of the screen.
  pixelZoom() {
    return this.root.dataset.width / ((this.box().width || 1) * (window.devicePixelRatio || 1));
  }

  // A zoom that neither loses the image nor shows less than a pixel.
  limited(zoom) {
    const whole = this.pixelZoom();
    return Math.min(Math.max(zoom, Math.min(1, whole)), Math.max(1, MOST * whole));
  }

  draw() {
    const { width, height } = this.box();
    if (!width) return;
    this.zoom = this.limited(this.zoom);
    this.x = this.kept(this.x, width);
    this.y = this.kept(this.y, height);
    const style = this.root.style;
    style.setProperty("--at", `${this.at}%`);
    // Sizes and whole pixels, not a transform: so nothing is resampled where a pixel is one of the screen.
    style.setProperty("--width", `${width * this.zoom}px`);
    style.setProperty("--height", `${height * this.zoom}px`);
    style.setProperty("--x", `${Math.round(this.x)}px`);
    style.setProperty("--y", `${Math.round(this.y)}px`);
    const screen = this.zoom / this.pixelZoom(); // screen pixels for one of the image's
    this.root.classList.toggle("zoomed", this.zoom > 1.001);
    this.root.classList.toggle("pixelated", screen >= 2);
    this.output.value = `${Math.round(screen * 100)} %`;
    const rounded = Math.round(this.at);
    this.handle.setAttribute("aria-valuenow", rounded);
    this.handle.setAttribute("aria-valuetext", `${rounded} % input`);
  }

  // An offset at which the window is full of the image; in the middle where the image is smaller.
  kept(offset, side) {
    const spare = side * (1 - this.zoom);
    return spare >= 0 ? spare / 2 : Math.min(0, Math.max(spare, offset));
  }

  slideTo(at) {
    this.at = Math.min(100, Math.max(0, at));
    this.draw();
  }

  // Zooms about a point of the window, which stays where it is.
  zoomTo(zoom, x = this.box().width / 2, y = this.box().height / 2) {
    const next = this.limited(zoom);
    this.x = x - ((x - this.x) * next) / this.zoom;
    this.y = y - ((y - this.y) * next) / this.zoom;
    this.zoom = next;
    this.draw();
  }

  press(what) {
    if (what === "in") this.zoomTo(this.zoom * STEP);
    if (what === "out") this.zoomTo(this.zoom / STEP);
    if (what === "fit") this.zoomTo(1);
    if (what === "pixels") this.zoomTo(this.pixelZoom());
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    const slides = { ArrowLeft: -2, ArrowRight: 2, ArrowUp: 2, ArrowDown: -2, PageUp: 10, PageDown: -10 };
    const buttons = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "pixels" };
    if (event.shiftKey && event.key in moves) {
      this.x += moves[event.key][0];
      this.y += moves[event.key][1];
      this.draw();
    } else if (event.key in slides) this.slideTo(this.at + slides[event.key]);
    else if (event.key === "Home") this.slideTo(0);
    else if (event.key === "End") this.slideTo(100);
    else if (event.key in buttons) this.press(buttons[event.key]);
    else return;
    event.preventDefault();
  }

  place(event) {
    const { left, top } = this.box();
    return [event.clientX - left, event.clientY - top];
  }

  down(event) {
    if (event.button) return;
    this.window.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    if (this.pointers.size === 1) {
      this.sliding = event.target === this.handle || this.zoom <= 1.001;
      if (this.sliding && event.target !== this.handle && event.pointerType === "mouse") this.slide(event);
    } else this.sliding = false;
    if (event.target === this.handle) this.handle.focus({ focusVisible: false });
  }

  move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    const before = [...this.pointers.values()].map((place) => [...place]);
    const last = this.pointers.get(event.pointerId);
    const now = this.place(event);
    this.pointers.set(event.pointerId, now);
    if (this.pointers.size === 2) this.pinch(before, [...this.pointers.values()]);
    else if (this.sliding) this.slide(event);
    else {
      this.x += now[0] - last[0];
      this.y += now[1] - last[1];
      this.draw();
    }
  }

  up(event) {
    this.pointers.delete(event.pointerId);
  }

  slide(event) {
    this.slideTo((100 * this.place(event)[0]) / this.box().width);
  }

  pinch(before, after) {
    const apart = ([[a, b], [c, d]]) => Math.max(1, Math.hypot(a - c, b - d));
    const middle = ([[a, b], [c, d]]) => [(a + c) / 2, (b + d) / 2];
    const [from, to] = [middle(before), middle(after)];
    this.x += to[0] - from[0];
    this.y += to[1] - from[1];
    this.zoomTo((this.zoom * apart(after)) / apart(before), ...to);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    this.zoomTo(this.zoom * Math.exp(-event.deltaY / 300), ...this.place(event));
  }
}

document.documentElement.classList.toggle("framed", window.parent !== window); // as a part of another page

for (const section of document.querySelectorAll("section")) {
  const stages = [...section.querySelectorAll(".stage")];
  stages.forEach((root) => new Stage(root));
  const buttons = [...section.querySelectorAll(".parts button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      buttons.forEach((each) => each.setAttribute("aria-pressed", each === button));
      stages.forEach((stage) => (stage.hidden = stage.dataset.part !== button.dataset.part));
    });
  }
}
