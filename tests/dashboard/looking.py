"""What a reader could not read on a page: words that are cut off, and words that hardly differ from what is behind."""

from playwright.sync_api import Page

CONTRAST = 4.5  # of text with its background (WCAG 2.2, 1.4.3)
# All elements that show words of their own, those inside of components among them; icons are letters of a font only.
_WORDS = """
    const found = [];
    const walk = root => { for (const one of root.querySelectorAll('*')) {
        if (one.shadowRoot) walk(one.shadowRoot);
        const own = [...one.childNodes].some(it => it.nodeType === 3 && it.data.trim());
        const box = one.getBoundingClientRect();
        const seen = one.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
        if (own && seen && box.width && box.right > 0 && box.bottom > 0
            && !one.closest('style, script, noscript, [data-testid^=stIcon], [disabled], [aria-disabled=true]'))
            found.push(one);
    } };
    walk(document);
"""
_CUT_OFF = """() => {%s
    return found.filter(one => {
        const style = getComputedStyle(one);
        return one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1 && style.overflowX !== 'visible'
            && !['auto', 'scroll'].includes(style.overflowX);
    }).map(one => one.innerText);
}"""
_FAINT = """([least]) => {%s
    const pen = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
    const parsed = colour => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => part * a + below[at] * (1 - a));
    const parent = one => one.parentElement ?? one.getRootNode().host;
    const holds = (one, [x, y]) => {
        const box = one.getBoundingClientRect();
        return box.left <= x && x <= box.right && box.top <= y && y <= box.bottom;
    };
    const behind = (one, at) => {
        if (!one) return [255, 255, 255];
        const frame = one.querySelector('[data-testid=stMainBlockContainer]') !== null;  // its paper goes on below it
        const colour = frame || holds(one, at) ? parsed(getComputedStyle(one).backgroundColor) : [0, 0, 0, 0];
        return over(colour, behind(parent(one), at));
    };
    const middle = one => {
        const box = one.getBoundingClientRect();
        return [box.left + box.width / 2, box.top + box.height / 2];
    };
    const opacity = one => one ? getComputedStyle(one).opacity * opacity(parent(one)) : 1;
    const light = parts => parts.map(part => part / 255)
        .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    return found.map(one => {
        const style = getComputedStyle(one), paper = behind(one, middle(one));
        const [r, g, b, a] = parsed(one.closest('svg') ? style.fill : style.color);
        const [dark, bright] = [light(paper), light(over([r, g, b, a * opacity(one)], paper))].sort((x, y) => x - y);
        return [one.textContent.trim().slice(0, 60), (bright + 0.05) / (dark + 0.05)];
    }).filter(([, contrast]) => contrast < least).map(([words, contrast]) => `${words}: ${contrast.toFixed(2)}`);
}"""


def cut_off(page: Page) -> list[str]:
    """Return the words on a page that do not fit into their place and cannot be scrolled to."""
    found: list[str] = page.evaluate(_CUT_OFF % _WORDS)
    return found


def faint(page: Page, least: float = CONTRAST) -> list[str]:
    """Return the words on a page whose contrast with what is behind them is too low, with that contrast."""
    found: list[str] = page.evaluate(_FAINT % _WORDS, [least])
    return found
