namespace Accelerated.Bench;

/// <summary>
/// Begins the command of a program that is to stay on one CPU: hosts do not share one, but a scheduler with work for all of them would
/// have ours share.
/// </summary>
internal static class OneCpu
{
    /// <summary>Who asks.</summary>
    public static string[] Client => Environment.ProcessorCount > 1 ? ["taskset", "-c", "0"] : [];

    /// <summary>Who answers.</summary>
    public static string[] Server => Environment.ProcessorCount > 1 ? ["taskset", "-c", "1"] : [];
}
