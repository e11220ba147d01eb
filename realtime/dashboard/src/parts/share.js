/**
 * `share(property, value)`: sets one CSS property of its element from script. The pages' Content-Security-Policy allows no style attribute.
 *
 *     <i ${share("width", "40%")}></i>   <div ${share("--columns", 7)}></div>
 *
 * With a third argument, of that element.
 */

import { noChange } from "lit";
import { Directive, directive } from "lit/directive.js";

class Share extends Directive {
  render() {
    return noChange;
  }

  update({ element }, [property, value, on = element]) {
    const text = String(value);
    if (text !== this.text) on.style.setProperty(property, (this.text = text));
    return noChange;
  }
}

export const share = directive(Share);
