namespace Accelerated.Agent.Datapath.Lanes.Survey;

/// <summary>Whether a condition holds for a class of packets.</summary>
internal enum Answer
{
    /// <summary>For none of them.</summary>
    No,

    /// <summary>For some, or nobody can tell.</summary>
    Maybe,

    /// <summary>For all.</summary>
    Yes,
}
