/** The variables that commands read which call a service. Those of the service itself are in docs/configuration.md. */
export const ENVIRONMENT = {
  METERLINE_URL:
    'Where the service is reached; with its path, if it is behind a prefix. Default: the linked directory or the profile, else http://127.0.0.1:8080.',
  METERLINE_ACCESS_TOKEN: 'An admin token, a partner secret or an ingest key; used instead of stored credentials.',
  METERLINE_ACCESS_TOKEN_FILE: 'The file that contains it, instead.',
  METERLINE_PARTNER_ID: 'The partner, where --partner is not given.',
  METERLINE_PROJECT_ID: 'The project, where none is named; used instead of the linked one.',
  METERLINE_SOURCE_TOKEN: 'The token of a platform from which "meterline collect platform" reads, where --sources names no other.',
  METERLINE_SOURCE_TOKEN_FILE: 'The file that contains it, instead.',
  METERLINE_PROFILE: 'The name of the stored credentials to use, where --profile is not given.',
  XDG_CONFIG_HOME: 'Where "meterline login" stores credentials (in the folder meterline); default ~/.config.',
  NO_COLOR: 'Set to anything: no colours.',
  CLICOLOR: '0: no colours.',
  CLICOLOR_FORCE: 'Set to anything but 0: colours also where stdout is not a terminal.',
} as const
