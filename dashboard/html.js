// One way to write views: htm over preact. Texts are set by the DOM's text API only, so that a name full of HTML is shown
// as what it is.
import htm from 'htm';
import { h } from 'preact';

export const html = htm.bind(h);
