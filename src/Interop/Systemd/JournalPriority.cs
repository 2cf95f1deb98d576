namespace Accelerated.Interop.Systemd;

/// <summary>How important a journal entry is, as syslog(3) counts it.</summary>
public enum JournalPriority
{
    /// <summary>LOG_CRIT: the service cannot go on.</summary>
    Critical = 2,

    /// <summary>LOG_ERR.</summary>
    Error = 3,

    /// <summary>LOG_WARNING.</summary>
    Warning = 4,

    /// <summary>LOG_INFO.</summary>
    Info = 6,

    /// <summary>LOG_DEBUG.</summary>
    Debug = 7,
}
