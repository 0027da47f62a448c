// A formatter for eslint: its own JSON repeats the source of every file, which is more than a check may say.
'use strict';

module.exports = (results) =>
  JSON.stringify(
    results.flatMap((result) =>
      result.messages
        .filter((one) => one.severity === 2)
        .map((one) => ({
          path: result.filePath,
          rule: one.ruleId || (one.fatal ? 'syntax-error' : 'error'),
          line: one.line || 0,
          message: one.message,
          fixable: one.fix !== undefined,
        })),
    ),
  );
