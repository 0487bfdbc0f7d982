// What panels show of Prometheus' answers, by Grafana's published library: `render.cjs FOLDER`, where FOLDER has node_modules.
// Standard input: [{panel, targets: [{target, answer}]}], the answers as Prometheus' HTTP API gives them. Standard output,
// for each panel: {fields: [{name, type, values, texts, colors}], unknown: units that Grafana doesn't know}.
const { createRequire } = require("node:module");
const data = createRequire(`${process.argv[2]}/`)("@grafana/data");
const { lastValueFrom } = createRequire(`${process.argv[2]}/`)("rxjs");
const { FieldType } = data;
// It asks the browser which language dates are in, and what else is on the page.
globalThis.navigator ??= { language: "en", languages: ["en"] };
globalThis.window ??= globalThis;

// Without an editor: what an option does to a field.
const OPTIONS = {
  unit: data.unitOverrideProcessor,
  min: data.numberOverrideProcessor,
  max: data.numberOverrideProcessor,
  decimals: data.numberOverrideProcessor,
  displayName: data.displayNameOverrideProcessor,
  noValue: data.stringOverrideProcessor,
  thresholds: data.thresholdsOverrideProcessor,
  mappings: data.valueMappingsOverrideProcessor,
  color: data.identityOverrideProcessor,
};
const registry = new data.FieldConfigOptionsRegistry(() =>
  Object.entries(OPTIONS).map(([id, process]) => ({ id, path: id, name: id, process, shouldApply: () => true })),
);
// Some stand among them under two names.
data.standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(data.standardTransformers))].map((transformation) => ({ id: transformation.id, name: transformation.name, transformation: async () => transformation })),
);

const number = (text) => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text));
const legend = (format, labels) =>
  format ? format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? "") : undefined;

// Series as curves: one frame each, whose value has the legend as its name.
function curves({ target, answer }) {
  return answer.data.result.map(({ metric, value, values }) => {
    const points = values ?? [value];
    const config = { displayNameFromDS: legend(target.legendFormat, metric) };
    return data.toDataFrame({
      refId: target.refId,
      fields: [
        { name: "Time", type: FieldType.time, values: points.map(([time]) => time * 1000), config: {} },
        { name: "Value", type: FieldType.number, values: points.map(([, text]) => number(text)), labels: metric, config },
      ],
    });
  });
}

// Series as lines of a table: time, a column for each label, value.
function lines({ target, answer }) {
  const result = answer.data.result;
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const column = (name, type, of) => ({ name, type, values: result.map(of), config: {} });
  return data.toDataFrame({
    refId: target.refId,
    fields: [
      column("Time", FieldType.time, ({ value }) => value[0] * 1000),
      ...labels.map((label) => column(label, FieldType.string, ({ metric }) => metric[label] ?? "")),
      column("Value", FieldType.number, ({ value }) => number(value[1])),
    ],
  });
}

async function render({ panel, targets }) {
  const frames = targets.flatMap((one) => (one.target.format === "table" ? [lines(one)] : curves(one)));
  const transformed = await lastValueFrom(data.transformDataFrame(panel.transformations ?? [], frames));
  const shown = data.applyFieldOverrides({
    data: transformed,
    fieldConfig: { defaults: { ...panel.fieldConfig.defaults }, overrides: panel.fieldConfig.overrides ?? [] },
    fieldConfigRegistry: registry,
    replaceVariables: (text) => text,
    theme: data.createTheme(),
    timeZone: "utc",
  });
  const fields = shown.flatMap((frame) =>
    frame.fields.map((field) => {
      const displayed = [...field.values].map((value) => field.display(value));
      return {
        name: data.getFieldDisplayName(field, frame, shown),
        type: field.type,
        values: [...field.values].map((value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value)),
        texts: displayed.map(data.formattedValueToString),
        colors: displayed.map(({ color }) => color ?? ""),
      };
    }),
  );
  const known = data.getValueFormatterIndex();
  const overridden = (panel.fieldConfig.overrides ?? []).flatMap(({ properties }) => properties);
  const units = [panel.fieldConfig.defaults.unit, ...overridden.filter(({ id }) => id === "unit").map(({ value }) => value)];
  return { fields, unknown: units.filter((unit) => unit && !(unit in known)) };
}

async function main() {
  const panels = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  process.stdout.write(JSON.stringify(await Promise.all(panels.map(render))));
}

main();
