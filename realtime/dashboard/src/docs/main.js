// What can be asked of this server, and what it answers: its own two documents, for people. Nothing here is known but how such documents
// are laid out (OpenAPI 3.1, AsyncAPI 3.0).

import { html, nothing, render } from "lit";

import { whoMay } from "./access.js";
import { nameOf, typeOf } from "./types.js";

const OPENAPI = "api/openapi.json";
const ASYNCAPI = "api/asyncapi.json";

async function read(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  return response.json();
}

/** Text in which `words` between backticks are code. */
const prose = (text = "") => text.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));

/** A schema in a few words, in which the names of types lead to them. */
const type = (schema) => typeOf(schema).map((part) => (part.type ? html`<a href="#type-${part.type}">${part.type}</a>` : part));

const limits = ({ minimum, maximum, default: left, maxItems, items = {}, minLength, maxLength }) =>
  [
    minimum !== undefined && `from ${minimum}`,
    maximum !== undefined && `to ${maximum}`,
    maxItems && `at most ${maxItems}`,
    (maxLength ?? items.maxLength) && `${minLength ?? items.minLength ?? 0} to ${maxLength ?? items.maxLength} characters`,
    left !== undefined && `left out: ${left}`,
  ]
    .filter(Boolean)
    .join(", ");

const row = (name, schema, says, needed) => html`
  <tr>
    <th scope="row"><code>${name}</code>${needed ? nothing : html` <small>optional</small>`}</th>
    <td class="type">${type(schema)}</td>
    <td>${prose(says)} <small>${limits(schema)}</small></td>
  </tr>
`;

const table = (rows) => (rows.length ? html`<table><tbody>${rows}</tbody></table>` : nothing);

const answer = (status, { description, content = {} }, shared) => {
  const [[media, { schema } = {}] = []] = Object.entries(content);
  return html`<li>
    <b class="status s${status[0]}">${status}</b> ${prose(description ?? shared)}${schema ? [": ", type(schema)] : media && `: ${media}`}
  </li>`;
};

/** Who may, and the schemes by which that is shown, each a link; nothing where nobody is asked anywhere. */
const access = (told, asked) => {
  if (!asked) return nothing;
  const { role, schemes } = whoMay(told);
  const links = schemes.map((each, index) => html`${index ? " or " : ": "}<a href="#access-${each}">${each}</a>`);
  return html`<p class="access">For ${role ? html`the role <code>${role}</code> at the least` : schemes.length ? "any role" : "everyone"}${links}</p>`;
};

const operation = (path, method, told, shared, asked) => html`
  <article id=${told.operationId}>
    <h3><b class="method">${method.toUpperCase()}</b> <code>${path}</code></h3>
    <p>${prose(told.summary)}</p>
    ${access(told.security, asked)}
    ${table(told.parameters.map((each) => row(each.name, each.schema, each.description, each.required)))}
    <ul class="answers">
      ${Object.entries(told.responses)
        .filter(([status]) => status !== "default")
        .map(([status, response]) => answer(status, response, shared))}
    </ul>
    ${method === "get" && !path.includes("{") && path !== "/api/ws" ? html`<pre>curl ${told.security.length ? '-H "Authorization: Bearer $TOKEN" ' : ""}${new URL(path.slice(1), document.baseURI)}</pre>` : nothing}
  </article>
`;

const scheme = (name, { type, scheme: kind, in: place, name: called, description }) => html`
  <article id="access-${name}">
    <h3>${name}</h3>
    <p>
      ${type === "http" ? html`<code>Authorization: ${kind[0].toUpperCase() + kind.slice(1)} …</code>` : html`<code>${called}</code> in the ${place}`}. ${prose(description)}
    </p>
  </article>
`;

const channel = (name, told, document) => {
  const operations = Object.values(document.operations).filter((each) => each.channel.$ref.endsWith(`/${name}`));
  const said = (action) =>
    operations
      .filter((each) => each.action === action)
      .flatMap((each) => each.messages.map(({ $ref }) => document.components.messages[nameOf($ref)]));
  const list = (heading, messages) =>
    messages.length
      ? html`<h4>${heading}</h4>
          <ul>
            ${messages.map((each) => html`<li>${type(each.payload)} <code>${each.name}</code>: ${prose(each.summary)}</li>`)}
          </ul>`
      : nothing;
  return html`
    <article id="channel-${name}">
      <h3><code>${told.address}</code></h3>
      <p>${prose(told.title)}; ${prose(told.description)}. ${prose(operations[0].description)}</p>
      ${list("The server says", said("send"))} ${list("A reader may say", said("receive"))}
    </article>
  `;
};

const schema = (name, told) => html`
  <article id="type-${name}">
    <h3>${name}</h3>
    <p>${prose(told.description)}</p>
    ${table(Object.entries(told.properties ?? {}).map(([field, each]) => row(field, each, each.description, told.required?.includes(field))))}
  </article>
`;

const page = (openapi, asyncapi) => {
  const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({ path, method, told })),
  );
  const tags = [...new Set(operations.map(({ told }) => told.tags[0]))];
  const shared = openapi.components.responses.Problem.description;
  const schemes = Object.entries(openapi.components.securitySchemes);
  const types = Object.entries({ ...openapi.components.schemas, ...asyncapi.components.schemas }).sort(([a], [b]) => a.localeCompare(b));
  return html`
    <nav aria-label="Contents">
      <h1><a href=".">realtime</a> <small>${openapi.info.version}</small></h1>
      ${tags.map(
        (tag) => html`<h2>${tag}</h2>
          <ul>
            ${operations
              .filter(({ told }) => told.tags[0] === tag)
              .map(({ path, method, told }) => html`<li><a href="#${told.operationId}">${method === "get" ? nothing : html`${method.toUpperCase()} `}${path}</a></li>`)}
          </ul>`,
      )}
      <h2>messages</h2>
      <ul>
        ${Object.entries(asyncapi.channels).map(([name, { address }]) => html`<li><a href="#channel-${name}">${address}</a></li>`)}
      </ul>
      ${schemes.length
        ? html`<h2>how one shows a token</h2>
            <ul>
              ${schemes.map(([name]) => html`<li><a href="#access-${name}">${name}</a></li>`)}
            </ul>`
        : nothing}
      <h2>types</h2>
      <ul>
        ${types.map(([name]) => html`<li><a href="#type-${name}">${name}</a></li>`)}
      </ul>
    </nav>
    <main>
      <p>
        What can be asked of this server, as <a href=${OPENAPI}>OpenAPI 3.1</a> and <a href=${ASYNCAPI}>AsyncAPI 3.0</a>. What a client of the
        streams does with what it hears is in docs/protocol.md of the source; <a href="client.js">client.js</a> does it. Every refusal and failure is
        a <a href="#type-Problem">Problem</a>.
      </p>
      <p>${prose(openapi.info.description)}</p>
      ${tags.map(
        (tag) => html`<section>
          <h2>${tag}</h2>
          ${operations.filter(({ told }) => told.tags[0] === tag).map(({ path, method, told }) => operation(path, method, told, shared, schemes.length))}
        </section>`,
      )}
      <section>
        <h2>messages</h2>
        ${Object.entries(asyncapi.channels).map(([name, told]) => channel(name, told, asyncapi))}
      </section>
      ${schemes.length
        ? html`<section>
            <h2>how one shows a token</h2>
            ${schemes.map(([name, told]) => scheme(name, told))}
          </section>`
        : nothing}
      <section>
        <h2>types</h2>
        ${types.map(([name, told]) => schema(name, told))}
      </section>
    </main>
  `;
};

const failed = (error) => html`<main><p role="alert">The documents cannot be read: ${error.message}. <a href="">Try again</a></p></main>`;

try {
  render(page(...(await Promise.all([read(OPENAPI), read(ASYNCAPI)]))), document.body);
  // What the address points at was not there when the browser looked for it.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
} catch (error) {
  render(failed(error), document.body);
}
