namespace Accelerated.Agent.Cli;

/// <summary>What a flag takes.</summary>
internal enum GoFlagKind
{
    /// <summary>Any text.</summary>
    Text,

    /// <summary>A whole number.</summary>
    Number,

    /// <summary>True or false; bare means true.</summary>
    Boolean,

    /// <summary>Text, and may be given several times.</summary>
    Repeatable,
}
