// A slider over named stops that tells its stop while it is dragged; Streamlit's own tells it when it is let go.

const PAUSE = 120; // milliseconds between two tellings of one drag

export default function ({ parentElement, data, setStateValue }) {
  const [name, told, slider, hint] = ["b", "output", "input", "small"].map((tag) => parentElement.querySelector(tag));
  const stop = () => data.stops[slider.value];

  function show() {
    told.textContent = stop();
    slider.setAttribute("aria-valuetext", stop());
    slider.style.setProperty("--part", `${(100 * slider.value) / slider.max}%`);
  }

  function tell() {
    clearTimeout(slider.waiting);
    slider.waiting = undefined;
    setStateValue("chosen", stop());
  }

  name.textContent = data.label;
  hint.textContent = data.hint;
  slider.setAttribute("aria-label", data.label);
  slider.max = data.stops.length - 1;
  slider.oninput = () => {
    show();
    slider.waiting ??= setTimeout(() => tell(), PAUSE);
  };
  slider.onchange = tell;
  if (!slider.begun) {
    // From here on the hand alone moves it: a view that comes late would pull it back.
    slider.begun = true;
    slider.value = data.stops.indexOf(data.chosen);
  }
  show();
}
