using System.Globalization;

namespace Accelerated.Agent.Cli;

/// <summary>One flag: what it is called, what it takes, and what it was given.</summary>
/// <param name="Name">Without dashes.</param>
/// <param name="Kind">What it takes.</param>
/// <param name="Default">Value when not given, as text.</param>
/// <param name="Placeholder">Example value, for help and errors.</param>
/// <param name="Description">One line for help.</param>
internal sealed record GoFlag(string Name, GoFlagKind Kind, string Default, string Placeholder, string Description)
{
    private readonly List<string> _values = [];

    /// <summary>Whether it was given, on the command line or in the environment.</summary>
    public bool IsSet => _values.Count > 0;

    /// <summary>Where the value came from, for errors: <c>--iface</c>, <c>FLANNELD_IFACE</c> or <c>FLANNEL_OPTIONS: --iface</c>.</summary>
    public string Origin { get; private set; } = "--" + Name;

    /// <summary>Takes no value of its own.</summary>
    public bool IsBoolean => Kind == GoFlagKind.Boolean;

    /// <summary>The value, the last one if given several times.</summary>
    public string Value => _values.Count > 0 ? _values[^1] : Default;

    /// <summary>All values of a repeatable flag, in order.</summary>
    public IReadOnlyList<string> Values => _values;

    /// <summary>The value of a boolean.</summary>
    public bool IsTrue => TryBoolean(Value, out var value) && value;

    /// <summary>The value of a number.</summary>
    public int Number => int.Parse(Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    /// <summary>Takes a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="origin">The flag or variable that gives it.</param>
    /// <param name="variable">The variable whose text that flag stands in, or null.</param>
    /// <exception cref="CommandLineException">It is not of the flag's kind.</exception>
    public void Set(string value, string origin, string? variable = null)
    {
        origin = variable is null ? origin : $"{variable}: {origin}";
        Origin = origin;
        if (Kind == GoFlagKind.Boolean && !TryBoolean(value, out _))
            throw new CommandLineException($"{origin}={value}: expected true or false");
        if (Kind == GoFlagKind.Number && !int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            throw new CommandLineException($"{origin}={value}: expected a whole number");
        _values.Add(value);
    }

    /// <summary>An error about the value.</summary>
    public CommandLineException Wrong(string expected) => new($"{Origin}={Value}: {expected}");

    // The spellings of Go's strconv.ParseBool.
    private static bool TryBoolean(string text, out bool value)
    {
        value = text is "1" or "t" or "T" or "TRUE" or "true" or "True";
        return value || text is "0" or "f" or "F" or "FALSE" or "false" or "False";
    }
}
